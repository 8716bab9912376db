//! `/account`: JSON for programs, a page for browsers, by what `Accept` prefers.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chassis::Failure;
use serde_json::json;

use crate::Shop;
use crate::pages::account::page;
use crate::pages::failure::PageFailure;
use crate::pages::visitor::Visitor;
use crate::store::{carts, orders};

pub(super) async fn show(
    State(shop): State<Shop>,
    headers: HeaderMap,
    visitor: Result<Visitor, PageFailure>,
) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or_default();
    let mut answer = match visitor {
        Err(failure) => failure.into_response(),
        Ok(visitor) if prefers_json(accept) => {
            as_json(&shop, &visitor).await.unwrap_or_else(IntoResponse::into_response)
        }
        Ok(visitor) => page(&shop, &visitor).await.unwrap_or_else(IntoResponse::into_response),
    };
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
    answer
}

async fn as_json(shop: &Shop, visitor: &Visitor) -> Result<Response, Failure> {
    let Some(user) = visitor.user.clone() else {
        let sentence = "log in at /login first";
        return Err(Failure::new(StatusCode::UNAUTHORIZED, "not_logged_in", sentence));
    };
    let session = visitor.session.id.clone();
    let body = shop
        .database
        .call(move |c| {
            let (orders, total) = orders::list(c, Some(user.id), 100, 0)?;
            let pieces = carts::pieces(c, &session)?;
            Ok(json!({ "user": user, "orders": orders, "orders_total": total, "cart_pieces": pieces }))
        })
        .await?;
    Ok(Json(body).into_response())
}

/// Whether `application/json` is wanted more than `text/html`; a tie, or no wish at all, is a browser's.
fn prefers_json(accept: &str) -> bool {
    quality(accept, "application", "json") > quality(accept, "text", "html")
}

/// The q-value of a media type by its most specific range (RFC 9110, 12.5.1), in thousandths.
fn quality(accept: &str, wanted: &str, sub: &str) -> u32 {
    let mut best: (u8, u32) = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let (kind, subkind) = parts.next().and_then(|m| m.split_once('/')).unwrap_or(("", ""));
        let specificity = match (kind, subkind) {
            (k, s) if k.eq_ignore_ascii_case(wanted) && s.eq_ignore_ascii_case(sub) => 3,
            (k, "*") if k.eq_ignore_ascii_case(wanted) => 2,
            ("*", "*") => 1,
            _ => continue,
        };
        let q = parts.find_map(|p| p.strip_prefix("q=")).map_or(1000, thousandths);
        if specificity > best.0 {
            best = (specificity, q);
        }
    }
    best.1
}

/// `0.5` as 500; nonsense is 0.
fn thousandths(q: &str) -> u32 {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, digits.parse::<u32>()) {
        ("1", _) => 1000,
        ("0", Ok(fraction)) => fraction,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_page_and_a_program_json() {
        for accept in ["", "*/*", "text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "text/plain"] {
            assert!(!prefers_json(accept), "{accept}");
        }
        for accept in [
            "application/json",
            "application/json, */*;q=0.1",
            "text/html;q=0.5, application/*",
            "APPLICATION/json",
        ] {
            assert!(prefers_json(accept), "{accept}");
        }
        assert!(!prefers_json("application/json;q=0.4, text/html;q=0.45"));
        assert!(!prefers_json("application/json;q=0"));
    }
}
