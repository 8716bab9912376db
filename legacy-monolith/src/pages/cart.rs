//! The cart.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use crate::Shop;
use crate::money::{self, Totals};
use crate::pages::failure::PageFailure;
use crate::pages::visitor::{FormOf, Visitor};
use crate::pages::{layout, pictures};
use crate::store::carts;
use crate::store::catalogue::Product;

pub(super) async fn show(State(shop): State<Shop>, visitor: Visitor) -> Result<Response, PageFailure> {
    let session = visitor.session.id.clone();
    let lines = shop.database.call(move |c| carts::lines(c, &session)).await?;
    let content = html! {
        h1 { "Your cart" }
        @if lines.is_empty() {
            p.empty { "There is nothing in it yet. " a href="/shop" { "Look around" } }
        } @else {
            table.lines {
                thead { tr { th colspan="2" { "Product" } th.number { "Each" } th { "Pieces" } th.number { "Sum" } } }
                tbody { @for (product, quantity) in &lines { (row(&visitor, product, *quantity)) } }
            }
            div.beside {
                a href="/shop" { "Keep looking" }
                div {
                    (totals(&lines))
                    a.button href="/checkout" id="checkout" { "To the checkout" }
                }
            }
        }
    };
    Ok(visitor.page(layout::page(&visitor, "Cart", &content)))
}

fn row(visitor: &Visitor, product: &Product, quantity: i64) -> Markup {
    html! {
        tr {
            td.thumb { div.picture { (PreEscaped(pictures::of(&product.sku))) } }
            td { a href={ "/shop/products/" (product.id) } { (product.name) } }
            td.number { (money::display(product.price)) }
            td {
                form.inline method="post" action="/cart" {
                    (layout::csrf(visitor))
                    input type="hidden" name="action" value="set";
                    input type="hidden" name="product_id" value=(product.id);
                    input type="number" name="quantity" value=(quantity) min="0" max=(carts::MOST) aria-label="Pieces";
                    button.link type="submit" { "Change" }
                }
            }
            td.number { (money::display(money::round(product.price * quantity as f64))) }
        }
    }
}

/// What the lines cost, as a small table.
pub(super) fn totals(lines: &[(Product, i64)]) -> Markup {
    let totals = Totals::of(lines.iter().map(|(product, quantity)| (*quantity, product.price)));
    sums(&totals)
}

/// Subtotal, discount, total and the tax in it.
pub(super) fn sums(totals: &Totals) -> Markup {
    html! {
        dl.sums {
            dt { "Products" } dd { (money::display(totals.subtotal)) }
            @if totals.discount > 0.0 {
                dt { "5 % for five pieces" } dd { "−" (money::display(totals.discount)) }
            }
            dt { "Delivery" } dd { "free" }
            dt.total { "Total" } dd.total id="total" { (money::display(totals.total)) }
            dt.small { "including 19 % VAT" } dd.small { (money::display(totals.tax)) }
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    csrf: String,
    product_id: i64,
    quantity: i64,
    action: Action,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Add,
    Set,
}

pub(super) async fn change(
    State(shop): State<Shop>,
    visitor: Visitor,
    FormOf(form): FormOf<Change>,
) -> Result<Response, PageFailure> {
    visitor.check(&form.csrf)?;
    let session = visitor.session.id.clone();
    let pieces = form.quantity.clamp(0, carts::MOST);
    shop.database
        .call(move |c| match form.action {
            Action::Add => carts::add(c, &session, form.product_id, pieces.max(1)),
            Action::Set => carts::set(c, &session, form.product_id, pieces),
        })
        .await?;
    Ok(visitor.send_to("/cart"))
}
