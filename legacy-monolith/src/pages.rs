//! The storefront: pages rendered on the server, forms with CSRF tokens, a session cookie.
//!
//! It refuses scripts: everything works with HTML and one style sheet.

pub(crate) mod account;
mod browse;
mod cart;
mod checkout;
pub(crate) mod failure;
mod layout;
mod login;
mod pictures;
mod reset;
pub(crate) mod visitor;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::Shop;

pub(crate) fn routes() -> Router<Shop> {
    Router::new()
        .route("/", get(browse::home))
        .route("/shop", get(browse::shelf))
        .route("/shop/products/{id}", get(browse::product))
        .route("/shop/orders/{id}", get(checkout::confirmation))
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/forgot", get(reset::forgot).post(reset::request))
        .route("/reset", get(reset::from_old_mail))
        .route("/reset/{code}", get(reset::form).post(reset::change))
        .route("/cart", get(cart::show).post(cart::change))
        .route("/checkout", get(checkout::summary).post(checkout::place))
        .route("/pay", get(checkout::pay_form).post(checkout::pay))
        .route("/assets/shop.css", get(style_sheet))
        .route("/favicon.ico", get(icon))
        .fallback(failure::nothing_here)
}

async fn style_sheet() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=60")];
    (headers, include_str!("pages/shop.css")).into_response()
}

async fn icon() -> Response {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "max-age=86400")];
    (headers, pictures::LOGO).into_response()
}
