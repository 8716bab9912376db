//! Logging in and out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chassis::request::QueryOf;
use maud::{Markup, html};
use serde::Deserialize;

use crate::Shop;
use crate::pages::failure::PageFailure;
use crate::pages::layout;
use crate::pages::visitor::{FormOf, Visitor};
use crate::seed::{DEMO_EMAIL, DEMO_PASSWORD};
use crate::store::{sessions, users};

/// `?next=/checkout`
#[derive(Debug, Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

pub(super) async fn form(visitor: Visitor, QueryOf(Next { next }): QueryOf<Next>) -> Response {
    visitor.page(rendered(&visitor, next.as_deref(), None))
}

#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    csrf: String,
    email: String,
    password: String,
    next: Option<String>,
}

pub(super) async fn log_in(
    State(shop): State<Shop>,
    visitor: Visitor,
    FormOf(form): FormOf<Credentials>,
) -> Result<Response, PageFailure> {
    visitor.check(&form.csrf)?;
    let session = visitor.session.clone();
    let (email, password) = (form.email.trim().to_owned(), form.password);
    let entered = shop
        .database
        .call(move |c| match users::authenticate(c, &email, &password)? {
            Some(user) => sessions::change_user(c, &session, Some(user.id)).map(Some),
            None => Ok(None),
        })
        .await?;
    let next = form.next.as_deref();
    Ok(match entered {
        Some(session) => visitor.with_session(session).send_to(local(next)),
        None => {
            let page = rendered(&visitor, next, Some("E-mail address and password do not fit together."));
            visitor.page_with(StatusCode::UNAUTHORIZED, page)
        }
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Token {
    csrf: String,
}

pub(super) async fn log_out(
    State(shop): State<Shop>,
    visitor: Visitor,
    FormOf(form): FormOf<Token>,
) -> Result<Response, PageFailure> {
    visitor.check(&form.csrf)?;
    let session = visitor.session.clone();
    let session = shop.database.call(move |c| sessions::change_user(c, &session, None)).await?;
    Ok(visitor.with_session(session).send_to("/"))
}

/// Only ever to a page of our own: a path, and not one that a browser takes for another host.
fn local(next: Option<&str>) -> &str {
    let local = |n: &&str| {
        let below = n.strip_prefix('/');
        below.is_some_and(|rest| !rest.starts_with(['/', '\\'])) && !n.contains(char::is_control)
    };
    next.filter(local).unwrap_or("/account")
}

fn rendered(visitor: &Visitor, next: Option<&str>, problem: Option<&str>) -> Markup {
    let content = html! {
        section.narrow {
            h1 { "Log in" }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            form.stack method="post" action="/login" {
                (layout::csrf(visitor))
                @if let Some(next) = next { input type="hidden" name="next" value=(next); }
                label for="email" { "E-mail" }
                input type="email" id="email" name="email" required autocomplete="username";
                label for="password" { "Password" }
                input type="password" id="password" name="password" required autocomplete="current-password";
                button.button type="submit" id="login" { "Log in" }
            }
            p.hint { a href="/forgot" id="forgot-link" { "Forgot your password?" } }
            p.hint {
                "For trying out: " code { (DEMO_EMAIL) } " with password " code { (DEMO_PASSWORD) }
            }
        }
    };
    layout::page(visitor, "Log in", &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_in_never_leads_to_another_site() {
        for bad in ["//evil.example", "/\\evil.example", "https://evil.example", "", "checkout", "/a\r\nb"] {
            assert_eq!(local(Some(bad)), "/account", "{bad}");
        }
        assert_eq!(local(Some("/checkout?x=1")), "/checkout?x=1");
        assert_eq!(local(Some("/")), "/");
        assert_eq!(local(None), "/account");
    }
}
