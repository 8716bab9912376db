//! From a corpus to what is sent: which route takes each exchange, what of it can be sent again.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use strangler_core::compare::{self, End, Transport};
use strangler_core::matching::request::RequestView;
use strangler_core::redact::{
    self, Body, Ended, Exchanged, Pseudonyms, RawReply, RawRequest, Redactor, blank,
};
use strangler_core::routing::{Facts, decide};
use strangler_core::snapshot::Snapshot;
use strangler_core::words::RouteId;

use super::item::{Item, Line};
use crate::corpus::Exchange;

/// Why an exchange is not sent at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// No route of the configuration takes it.
    NoRoute,
    /// It belongs to a slice that was not asked for.
    OtherSlice,
}

/// Makes items of exchanges, under one configuration.
#[derive(Debug)]
pub(crate) struct Loader<'a> {
    snapshot: &'a Snapshot,
    routes: HashMap<Arc<str>, RouteId>,
    /// Only exchanges of this slice.
    slice: Option<String>,
    number: u64,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, slice: Option<String>) -> Loader<'a> {
        let routes =
            (0..).map(RouteId).zip(&snapshot.routes).map(|(id, route)| (route.id.clone(), id)).collect();
        Loader { snapshot, routes, slice, number: 0 }
    }

    /// The item of the next exchange.
    pub(crate) fn item(&mut self, exchange: &Exchange) -> Result<Item, LeftOut> {
        self.number += 1;
        let route = self.route(exchange).ok_or(LeftOut::NoRoute)?;
        let slice = self.snapshot.slice(self.snapshot.route(route).slice).name.clone();
        if self.slice.as_deref().is_some_and(|wanted| wanted != &*slice) {
            return Err(LeftOut::OtherSlice);
        }
        let request = &exchange.request;
        let lines: Vec<Line> = request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
            .filter(|(name, _)| !name.eq_ignore_ascii_case("content-encoding"))
            .collect();
        let incomplete = match &request.body {
            Body::None | Body::Text(_) => None,
            Body::Opaque { .. } => Some("its body is no text, of which only the length is kept"),
            Body::Missing => Some("its body was not captured"),
        };
        Ok(Item {
            number: self.number,
            id: exchange.id.clone(),
            at: exchange.at.parse().unwrap_or(Timestamp::UNIX_EPOCH),
            route,
            slice,
            method: request.method.clone(),
            target: request.target.clone(),
            lines,
            body: Bytes::from(request.body.text().to_owned()),
            identity: exchange.identity().map(str::to_owned),
            recorded: exchange.legacy.as_ref().and_then(recorded),
            recorded_status: exchange.legacy.as_ref().map(|reply| reply.status).filter(|status| *status > 0),
            incomplete,
        })
    }

    /// The route it was recorded on, where there is one of that name; else the one that takes it now.
    fn route(&self, exchange: &Exchange) -> Option<RouteId> {
        if let Some(route) = self.routes.get(exchange.route.as_str()) {
            return Some(*route);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &exchange.request.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                headers.append(name, value);
            }
        }
        let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let (path, query) = match exchange.request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (exchange.request.target.as_str(), None),
        };
        let method = &exchange.request.method;
        let view = RequestView { method, host, path, query, headers: &headers, client_ip: None };
        let decision = decide(self.snapshot, &view, Facts::NONE);
        decision.route.filter(|_| decision.excepted.is_none())
    }
}

/// A recorded answer as a comparison takes it; `None`: not enough of it was kept. Its pseudonyms are blank: those of
/// the candidate's answer are made without the key.
fn recorded(reply: &redact::Reply) -> Option<compare::Reply> {
    let body = match &reply.body {
        Body::None | Body::Text(_) => Bytes::from(blank(reply.body.text())),
        Body::Opaque { .. } | Body::Missing => return None,
    };
    let end = match reply.ended {
        Ended::Complete => End::Complete,
        Ended::Truncated => End::Truncated,
        Ended::Connect => End::Failed(Transport::Connect),
        Ended::Timeout => End::Failed(Transport::Timeout),
        Ended::Reset => End::Failed(Transport::Reset),
        Ended::Malformed => End::Failed(Transport::Malformed),
        Ended::TooLarge => End::TooLarge,
    };
    let headers = reply
        .headers
        .iter()
        // What is kept of a body has been decoded.
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-encoding"))
        .map(|(name, value)| (name, blank(value)))
        .collect();
    Some(compare::Reply { end, status: reply.status, headers, body })
}

/// A candidate's answer as it would have been recorded, without the key.
pub(crate) fn as_recorded(snapshot: &Snapshot, item: &Item, reply: compare::Reply) -> compare::Reply {
    let route = snapshot.route(item.route);
    let redactor = Redactor::new(&Pseudonyms::Blank, &route.policy.compare.redact, Some(&route.pattern));
    let ended = match reply.end {
        End::Complete => Ended::Complete,
        End::Truncated => Ended::Truncated,
        End::Failed(_) | End::TooLarge => return reply,
    };
    let raw = RawReply {
        status: reply.status,
        headers: reply.headers.named().collect(),
        body: Some(&reply.body),
        ended,
    };
    let request = RawRequest {
        method: &item.method,
        target: item.target.as_bytes(),
        headers: item.lines.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect(),
        body: Some(&item.body),
    };
    let redacted = redactor.exchange(&Exchanged { request, legacy: None, extracted: Some(raw) });
    // What cannot be read as text cannot be held against what was kept of the other: as it came it differs.
    redacted.extracted.as_ref().and_then(recorded).unwrap_or(reply)
}
