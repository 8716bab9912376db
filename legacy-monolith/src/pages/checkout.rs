//! From the cart to a paid order.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chassis::Failure;
use chassis::request::{Id, Origin, QueryOf};
use maud::{Markup, html};
use serde::Deserialize;

use crate::Shop;
use crate::money::{self, Totals};
use crate::pages::failure::PageFailure;
use crate::pages::visitor::{FormOf, Visitor};
use crate::pages::{cart, layout};
use crate::store::orders::{self, Order};
use crate::store::payments::{self, Means};
use crate::store::{carts, users::User};

pub(super) async fn summary(State(shop): State<Shop>, visitor: Visitor) -> Result<Response, PageFailure> {
    let Some(user) = &visitor.user else { return Ok(visitor.send_to("/login?next=/checkout")) };
    let session = visitor.session.id.clone();
    let lines = shop.database.call(move |c| carts::lines(c, &session)).await?;
    if lines.is_empty() {
        return Ok(visitor.send_to("/cart"));
    }
    let content = html! {
        (steps(1))
        section.narrow {
            h1 { "Check your order" }
            ul.brief {
                @for (product, quantity) in &lines {
                    li { span { (quantity) " × " (product.name) } span { (money::display(money::round(product.price * *quantity as f64))) } }
                }
            }
            (cart::totals(&lines))
            p { "Delivered to " strong { (user.name) } ", confirmed to " strong { (user.email) } "." }
            form method="post" action="/checkout" {
                (layout::csrf(&visitor))
                button.button type="submit" id="place-order" { "Place the order" }
            }
        }
    };
    Ok(visitor.page(layout::page(&visitor, "Checkout", &content)))
}

#[derive(Debug, Deserialize)]
pub(super) struct Token {
    csrf: String,
}

pub(super) async fn place(
    State(shop): State<Shop>,
    visitor: Visitor,
    FormOf(form): FormOf<Token>,
) -> Result<Response, PageFailure> {
    visitor.check(&form.csrf)?;
    let Some(user) = visitor.user.clone() else { return Ok(visitor.send_to("/login?next=/checkout")) };
    let session = visitor.session.id.clone();
    let order = shop
        .database
        .call(move |c| {
            let transaction = c.transaction()?;
            let lines = carts::lines(&transaction, &session)?;
            let lines: Vec<_> = lines.iter().map(|(product, quantity)| (product.id, *quantity)).collect();
            let order = orders::place(&transaction, user.id, &lines)?;
            carts::empty(&transaction, &session)?;
            transaction.commit()?;
            Ok(order)
        })
        .await?;
    shop.events.tell("order", serde_json::json!(order));
    Ok(visitor.send_to(&format!("/pay?order={}", order.id)))
}

/// `?order=7`
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    order: i64,
}

pub(super) async fn pay_form(
    State(shop): State<Shop>,
    visitor: Visitor,
    which: Result<QueryOf<Which>, Failure>,
) -> Result<Response, PageFailure> {
    let QueryOf(Which { order }) = which?;
    let Some(user) = visitor.user.clone() else {
        return Ok(visitor.send_to(&format!("/login?next=/pay?order={order}")));
    };
    let order = own_order(&shop, user, order).await?;
    if order.status == "paid" {
        return Ok(visitor.send_to(&format!("/shop/orders/{}", order.id)));
    }
    Ok(visitor.page(payment_page(&visitor, &order, None)))
}

fn payment_page(visitor: &Visitor, order: &Order, problem: Option<&str>) -> Markup {
    let content = html! {
        (steps(2))
        section.narrow {
            h1 { "Pay order " (order.id) }
            p.amount { (money::display(order.total)) }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            form.stack method="post" action="/pay" {
                (layout::csrf(visitor))
                input type="hidden" name="order" value=(order.id);
                input type="hidden" name="amount" value=(format!("{:.2}", order.total));
                fieldset {
                    legend { "How" }
                    label.choice { input type="radio" name="method" value="card" checked; " Card" }
                    label.choice { input type="radio" name="method" value="invoice"; " Invoice" }
                }
                label for="card" { "Card number" }
                input type="text" id="card" name="card_number" inputmode="numeric" autocomplete="off" placeholder="4242 4242 4242 4242";
                button.button type="submit" id="pay" { "Pay " (money::display(order.total)) }
            }
            p.hint { "Nothing is charged. Any card number will do; one that ends in 0002 is declined." }
        }
    };
    layout::page(visitor, "Pay", &content)
}

#[derive(Debug, Deserialize)]
pub(super) struct Payment {
    csrf: String,
    order: i64,
    method: String,
    card_number: Option<String>,
}

pub(super) async fn pay(
    State(shop): State<Shop>,
    Origin(origin): Origin,
    visitor: Visitor,
    FormOf(form): FormOf<Payment>,
) -> Result<Response, PageFailure> {
    visitor.check(&form.csrf)?;
    let Some(user) = visitor.user.clone() else { return Ok(visitor.send_to("/login")) };
    let order = own_order(&shop, user, form.order).await?;
    let means = Means { method: form.method, card_number: form.card_number };
    let id = order.id;
    let paid = shop
        .database
        .call(move |c| {
            let transaction = c.transaction()?;
            let payment = payments::capture(&transaction, id, None, &means)?;
            transaction.commit()?;
            Ok(payment)
        })
        .await;
    match paid {
        Ok(payment) => {
            shop.events.tell("payment", serde_json::json!(payment));
            // The payment page was written by somebody who believed that Location had to be absolute.
            Ok(visitor.send_to(&format!("{origin}/shop/orders/{id}")))
        }
        Err(failure) if failure.code() == "already_paid" => {
            Ok(visitor.send_to(&format!("/shop/orders/{id}")))
        }
        Err(failure)
            if [StatusCode::PAYMENT_REQUIRED, StatusCode::BAD_REQUEST].contains(&failure.status()) =>
        {
            let sentence = match failure.code() {
                "card_declined" => "The card was declined. Try another one, or pay by invoice.",
                _ => "This is no card number. It has at least 12 digits.",
            };
            Ok(visitor.page_with(failure.status(), payment_page(&visitor, &order, Some(sentence))))
        }
        Err(failure) => Err(failure.into()),
    }
}

pub(super) async fn confirmation(
    State(shop): State<Shop>,
    visitor: Visitor,
    id: Result<Id, Failure>,
) -> Result<Response, PageFailure> {
    let Id(id) = id?;
    let Some(user) = visitor.user.clone() else {
        return Ok(visitor.send_to(&format!("/login?next=/shop/orders/{id}")));
    };
    let order = own_order(&shop, user, id).await?;
    let paid = order.status == "paid";
    let totals =
        Totals { subtotal: order.subtotal, discount: order.discount, tax: order.tax, total: order.total };
    let content = html! {
        @if paid { (steps(3)) }
        section.narrow {
            @if paid { p.tick aria-hidden="true" { "✓" } h1 id="confirmed" { "Thank you, it is on its way" } }
            @else { h1 { "Order " (order.id) " waits for your payment" } }
            p { "Order " strong id="order-number" { (order.id) } ", placed " (order.placed_at) }
            ul.brief {
                @for line in &order.lines {
                    li { span { (line.quantity) " × " (line.name) } span { (money::display(line.line_total)) } }
                }
            }
            (cart::sums(&totals))
            @if paid { a.button href="/shop" { "Keep looking" } }
            @else { a.button href={ "/pay?order=" (order.id) } { "Pay now" } }
        }
    };
    Ok(visitor.page(layout::page(&visitor, "Your order", &content)))
}

/// An order of this customer; somebody else's does not exist.
async fn own_order(shop: &Shop, user: User, id: i64) -> Result<Order, PageFailure> {
    let order = shop.database.call(move |c| orders::get(c, id)).await?;
    if order.user_id == user.id {
        Ok(order)
    } else {
        Err(Failure::not_found("You have no such order.").into())
    }
}

fn steps(now: usize) -> Markup {
    html! {
        ol.steps {
            @for (step, name) in ["Cart", "Check", "Pay", "Done"].iter().enumerate() {
                li.now[step == now].past[step < now] { (name) }
            }
        }
    }
}
