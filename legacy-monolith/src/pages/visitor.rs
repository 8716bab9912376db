//! Who is asking: the session behind the cookie, the customer behind the session, and the CSRF token that
//! every form must send back.
//!
//! A visitor without a session gets one, with its cookie, on the first page.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use chassis::Failure;
use maud::Markup;
use serde::de::DeserializeOwned;

use crate::Shop;
use crate::pages::failure::PageFailure;
use crate::store::carts;
use crate::store::sessions::{self, Session};
use crate::store::users::{self, User};

const COOKIE: &str = "session";

/// Somebody who asks for a page.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) session: Session,
    pub(crate) user: Option<User>,
    /// Pieces in the cart.
    pub(crate) pieces: i64,
    /// Whether the browser has to be told the session's id.
    new: bool,
}

impl FromRequestParts<Shop> for Visitor {
    type Rejection = PageFailure;

    async fn from_request_parts(parts: &mut Parts, shop: &Shop) -> Result<Self, PageFailure> {
        let cookie = parts
            .headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
            .map(str::to_owned);
        let visitor = shop.database.call(move |c| {
            let known = match cookie {
                Some(id) => sessions::find(c, &id)?,
                None => None,
            };
            let (session, new) = match known {
                Some(session) => (session, false),
                None => (sessions::create(c)?, true),
            };
            let user = session.user_id.map(|id| users::get(c, id)).transpose()?;
            let pieces = carts::pieces(c, &session.id)?;
            Ok(Self { session, user, pieces, new })
        });
        Ok(visitor.await?)
    }
}

impl Visitor {
    /// Refuses (403) a form that was not rendered for this session.
    pub(crate) fn check(&self, token: &str) -> Result<(), PageFailure> {
        if token == self.session.csrf {
            return Ok(());
        }
        let sentence =
            "This form has expired or came from another site. Go back, reload the page, try again.";
        Err(Failure::new(StatusCode::FORBIDDEN, "csrf", sentence).into())
    }

    /// The same visitor under another session.
    pub(crate) fn with_session(self, session: Session) -> Self {
        Self { session, new: true, ..self }
    }

    /// A page, with the cookie when the browser does not have it.
    pub(crate) fn page(&self, markup: Markup) -> Response {
        self.page_with(StatusCode::OK, markup)
    }

    /// A page that tells of a failed attempt.
    pub(crate) fn page_with(&self, status: StatusCode, markup: Markup) -> Response {
        let headers = [(header::CACHE_CONTROL, "no-store")];
        self.keep((status, headers, Html(markup.into_string())).into_response())
    }

    /// 303 to `location`, with the cookie when the browser does not have it.
    pub(crate) fn send_to(&self, location: &str) -> Response {
        self.keep((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
    }

    fn keep(&self, mut response: Response) -> Response {
        let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", self.session.id);
        if let (true, Ok(cookie)) = (self.new, HeaderValue::from_str(&cookie)) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// A form, refused with a page.
#[derive(Debug)]
pub(crate) struct FormOf<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for FormOf<T> {
    type Rejection = PageFailure;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageFailure> {
        let refused = |rejection: FormRejection| match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                let sentence = "This page takes forms only.";
                Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", sentence)
            }
            _ => Failure::invalid("Something is missing in this form."),
        };
        let form = Form::<T>::from_request(request, state).await;
        form.map(|Form(value)| Self(value)).map_err(|rejection| refused(rejection).into())
    }
}
