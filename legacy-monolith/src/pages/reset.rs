//! Choosing a new password with a link from an e-mail.
//!
//! The code is in the link, as it has always been: whoever keeps addresses (a log, a recording) keeps codes,
//! unless it takes them out. The pages ask browsers not to send the address on (`Referrer-Policy`). They
//! refuse to say whether an address is a customer's.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use chassis::request::{Origin, QueryOf};
use maud::{Markup, html};
use serde::Deserialize;

use crate::Shop;
use crate::pages::failure::PageFailure;
use crate::pages::layout;
use crate::pages::visitor::{FormOf, Visitor};
use crate::store::resets;

/// Characters of the shortest password.
const SHORTEST: usize = 8;
/// Bytes of the longest one.
const LONGEST: usize = 200;

pub(super) async fn forgot(visitor: Visitor) -> Response {
    let content = html! {
        section.narrow {
            h1 { "Forgot your password?" }
            p { "Tell us your address, and we send you a link to choose another." }
            form.stack method="post" action="/forgot" {
                (layout::csrf(&visitor))
                label for="email" { "E-mail" }
                input type="email" id="email" name="email" required autocomplete="username";
                button.button type="submit" id="send-link" { "Send the link" }
            }
        }
    };
    visitor.page(layout::page(&visitor, "Forgot your password?", &content))
}

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    csrf: String,
    email: String,
}

pub(super) async fn request(
    State(shop): State<Shop>,
    Origin(origin): Origin,
    visitor: Visitor,
    FormOf(form): FormOf<Request>,
) -> Result<Response, PageFailure> {
    visitor.check(&form.csrf)?;
    let email = form.email.trim().to_owned();
    shop.database
        .call(move |c| {
            let transaction = c.transaction()?;
            resets::request(&transaction, &email, &origin)?;
            Ok(transaction.commit()?)
        })
        .await?;
    let content = html! {
        section.narrow {
            h1 { "Look into your post" }
            p id="link-sent" { "If we know this address, a link is on its way. It is good for an hour." }
            a.button href="/login" { "Back to the login" }
        }
    };
    Ok(visitor.page(layout::page(&visitor, "Look into your post", &content)))
}

/// `?code=…`
#[derive(Debug, Deserialize)]
pub(super) struct OldLink {
    code: String,
}

/// Links were once written with a query, and people keep e-mails.
pub(super) async fn from_old_mail(visitor: Visitor, QueryOf(OldLink { code }): QueryOf<OldLink>) -> Response {
    // Whatever was typed there: only what a code is made of goes into the next address.
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    private(visitor.send_to(&format!("/reset/{code}")))
}

pub(super) async fn form(
    State(shop): State<Shop>,
    visitor: Visitor,
    Path(code): Path<String>,
) -> Result<Response, PageFailure> {
    let good = {
        let code = code.clone();
        shop.database.call(move |c| resets::customer(c, &code)).await?.is_some()
    };
    Ok(private(if good { visitor.page(choice(&visitor, &code, None)) } else { gone(&visitor) }))
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    csrf: String,
    password: String,
}

pub(super) async fn change(
    State(shop): State<Shop>,
    visitor: Visitor,
    Path(code): Path<String>,
    FormOf(form): FormOf<Choice>,
) -> Result<Response, PageFailure> {
    visitor.check(&form.csrf)?;
    let password = form.password;
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        let problem = format!("A password has {SHORTEST} characters or more.");
        let page = choice(&visitor, &code, Some(&problem));
        return Ok(private(visitor.page_with(StatusCode::BAD_REQUEST, page)));
    }
    let changed = shop
        .database
        .call(move |c| {
            let transaction = c.transaction()?;
            let changed = resets::use_up(&transaction, &code, &password)?;
            transaction.commit()?;
            Ok(changed)
        })
        .await?;
    Ok(private(if changed { visitor.send_to("/login") } else { gone(&visitor) }))
}

fn choice(visitor: &Visitor, code: &str, problem: Option<&str>) -> Markup {
    let content = html! {
        section.narrow {
            h1 { "Choose a new password" }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            form.stack method="post" action={ "/reset/" (code) } {
                (layout::csrf(visitor))
                label for="password" { "New password" }
                input type="password" id="password" name="password" required minlength=(SHORTEST) autocomplete="new-password";
                button.button type="submit" id="change-password" { "Use this one" }
            }
        }
    };
    layout::page(visitor, "Choose a new password", &content)
}

/// 410: the link was good once, or never.
fn gone(visitor: &Visitor) -> Response {
    let content = html! {
        section.narrow {
            h1 { "This link is not good any more" }
            p { "It was used, or it is older than an hour." }
            a.button href="/forgot" { "Get another" }
        }
    };
    visitor.page_with(StatusCode::GONE, layout::page(visitor, "This link is not good any more", &content))
}

/// Whatever the page leads to must not learn the code from `Referer`.
fn private(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}
