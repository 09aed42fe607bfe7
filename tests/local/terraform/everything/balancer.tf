resource "aws_lb" "main" {
  name                       = "everything"
  security_groups            = [aws_security_group.main["balancer"].id]
  subnets                    = aws_subnet.public[*].id
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "main" {
  for_each             = toset(["spot", "external", "blue", "green"])
  name                 = "everything-${each.key}"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = aws_vpc.main.id
  deregistration_delay = 5
  stickiness {
    type            = "lb_cookie"
    cookie_duration = 3600
    enabled         = each.key == "spot"
  }
  health_check { path = "/healthz" }
}

resource "aws_acm_certificate" "main" {
  certificate_body = var.certificate
  private_key      = var.private_key
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.main.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate.main.arn
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "nothing here"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener" "code_deploy" {
  load_balancer_arn = aws_lb.main.arn
  port              = 8443
  protocol          = "HTTP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.main["blue"].arn
  }
  lifecycle { ignore_changes = [default_action] }
}

resource "aws_lb_listener_rule" "weighted" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10
  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.main["spot"].arn
        weight = 90
      }
      target_group {
        arn    = aws_lb_target_group.main["external"].arn
        weight = 10
      }
      stickiness {
        enabled  = true
        duration = 600
      }
    }
  }
  condition {
    host_header { values = ["app.example.com", "*.app.example.com"] }
  }
  condition {
    path_pattern { values = ["/api/*"] }
  }
}

resource "aws_lb_listener_rule" "external" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 20
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.main["external"].arn
  }
  condition {
    http_header {
      http_header_name = "X-Version"
      values           = ["2", "3*"]
    }
  }
  condition {
    http_request_method { values = ["GET", "HEAD"] }
  }
}

resource "aws_lb_listener_rule" "fixed" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 30
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "application/json"
      message_body = "{}"
      status_code  = "200"
    }
  }
  condition {
    query_string {
      key   = "debug"
      value = "on"
    }
    query_string { value = "verbose*" }
  }
  condition {
    source_ip { values = ["192.0.2.0/24", "198.51.100.7/32"] }
  }
}

resource "aws_lb_listener_rule" "redirect" {
  listener_arn = aws_lb_listener.https.arn
  action {
    type = "redirect"
    redirect {
      host        = "www.example.com"
      path        = "/new/#{path}"
      query       = "from=old&#{query}"
      status_code = "HTTP_302"
    }
  }
  condition {
    path_pattern { values = ["/old", "/old/*"] }
  }
}
