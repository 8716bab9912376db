//! A failure as a page. Unknown paths answer JSON to programs that ask for it.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use chassis::Failure;
use maud::html;

use crate::pages::layout;

/// A [`Failure`] that a person will read.
#[derive(Debug)]
pub(crate) struct PageFailure(Failure);

impl From<Failure> for PageFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let title = match status {
            StatusCode::NOT_FOUND => "We could not find that",
            StatusCode::FORBIDDEN => "That did not come from us",
            StatusCode::CONFLICT => "Somebody was quicker",
            s if s.is_server_error() => "Something broke on our side",
            _ => "That did not work",
        };
        let page = layout::bare(
            title,
            &html! {
                section.notice-page {
                    p.code { (status.as_u16()) }
                    h1 { (title) }
                    p { (self.0.message()) }
                    a.button href="/shop" { "Back to the shop" }
                }
            },
        );
        (status, [(header::CACHE_CONTROL, "no-store")], Html(page.into_string())).into_response()
    }
}

/// 404 for a path that nobody has.
pub(crate) async fn nothing_here(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or_default();
    let failure = Failure::not_found("There is nothing under this address.");
    if accept.contains("text/html") { PageFailure(failure).into_response() } else { failure.into_response() }
}
