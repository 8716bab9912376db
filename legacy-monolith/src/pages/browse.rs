//! The shelves: home, lists, one product.

use axum::extract::State;
use axum::response::Response;
use chassis::request::{Id, QueryOf};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use crate::Shop;
use crate::money;
use crate::pages::failure::PageFailure;
use crate::pages::visitor::Visitor;
use crate::pages::{layout, pictures};
use crate::store::catalogue::{self, Filter, Product};

/// Products the home page shows.
const FEATURED: [i64; 4] = [3, 1, 6, 9];

pub(super) async fn home(State(shop): State<Shop>, visitor: Visitor) -> Result<Response, PageFailure> {
    let products = shop
        .database
        .call(|c| FEATURED.iter().map(|id| catalogue::get(c, *id)).collect::<Result<Vec<_>, _>>())
        .await?;
    let content = html! {
        section.hero {
            div {
                p.eyebrow { "The winter table" }
                h1 { "Few things, made to stay." }
                p.lead { "Stoneware, linen and oak from eleven workshops. Nothing you would have to replace." }
                a.button href="/shop" { "Browse the shop" }
            }
            div.hero-pictures aria-hidden="true" {
                @for sku in ["KIT-KET", "LIG-ARC", "FUR-ROC"] {
                    div.picture { (PreEscaped(pictures::of(sku))) }
                }
            }
        }
        section {
            div.heading { h2 { "Our favourites" } a href="/shop" { "See everything" } }
            (shelf_of(&products))
        }
    };
    Ok(visitor.page(layout::page(&visitor, "Home", &content)))
}

/// `?category=kitchen&q=mug`
#[derive(Debug, Deserialize)]
pub(super) struct Narrow {
    category: Option<String>,
    q: Option<String>,
}

pub(super) async fn shelf(
    State(shop): State<Shop>,
    visitor: Visitor,
    QueryOf(narrow): QueryOf<Narrow>,
) -> Result<Response, PageFailure> {
    let Narrow { category, q } = narrow;
    let text = q.clone().filter(|text| !text.trim().is_empty());
    let filter = Filter { text, category: category.clone(), max_price: None };
    let (products, categories) = shop
        .database
        .call(move |c| Ok((catalogue::list(c, &filter, 100, 0)?.0, catalogue::categories(c)?)))
        .await?;
    let title = category.as_deref().map_or_else(|| "Everything".to_owned(), layout::capital);
    let content = html! {
        div.heading {
            h1 { (title) }
            form.search method="get" action="/shop" role="search" {
                @if let Some(category) = &category { input type="hidden" name="category" value=(category); }
                input type="search" name="q" value=[q.as_deref()] placeholder="Search" aria-label="Search";
                button type="submit" { "Search" }
            }
        }
        ul.filters {
            li { a.on[category.is_none()] href="/shop" { "Everything" } }
            @for one in &categories {
                li {
                    a.on[category.as_ref() == Some(one)] href={ "/shop?category=" (one) } { (layout::capital(one)) }
                }
            }
        }
        @if products.is_empty() {
            p.empty { "Nothing on this shelf fits. " a href="/shop" { "Look at everything" } }
        } @else {
            (shelf_of(&products))
        }
    };
    Ok(visitor.page(layout::page(&visitor, &title, &content)))
}

pub(super) async fn product(
    State(shop): State<Shop>,
    visitor: Visitor,
    id: Result<Id, chassis::Failure>,
) -> Result<Response, PageFailure> {
    let Id(id) = id?;
    let product = shop.database.call(move |c| catalogue::get(c, id)).await?;
    let content = html! {
        p.crumbs {
            a href="/shop" { "Shop" } " / "
            a href={ "/shop?category=" (product.category) } { (layout::capital(&product.category)) }
        }
        article.product {
            div.picture.large { (PreEscaped(pictures::of(&product.sku))) }
            div.facts {
                h1 { (product.name) }
                p.price { (money::display(product.price)) }
                p { (product.description) }
                p.stock.none[product.stock == 0].few[(1..10).contains(&product.stock)] { (stock(product.stock)) }
                @if product.stock > 0 {
                    form.add method="post" action="/cart" {
                        (layout::csrf(&visitor))
                        input type="hidden" name="product_id" value=(product.id);
                        input type="hidden" name="action" value="add";
                        label for="quantity" { "Pieces" }
                        input type="number" id="quantity" name="quantity" value="1" min="1" max="99";
                        button.button type="submit" id="add-to-cart" { "Add to cart" }
                    }
                }
                dl {
                    dt { "Article" } dd { (product.sku) }
                    dt { "Delivery" } dd { "2 to 4 working days, free" }
                }
            }
        }
    };
    Ok(visitor.page(layout::page(&visitor, &product.name, &content)))
}

fn stock(pieces: i64) -> String {
    match pieces {
        0 => "Sold out".to_owned(),
        1 => "The last one".to_owned(),
        2..10 => format!("Only {pieces} left"),
        _ => "In stock".to_owned(),
    }
}

fn shelf_of(products: &[Product]) -> Markup {
    html! {
        ul.shelf {
            @for product in products {
                li {
                    a.card href={ "/shop/products/" (product.id) } {
                        div.picture { (PreEscaped(pictures::of(&product.sku))) }
                        span.name { (product.name) }
                        span.price { (money::display(product.price)) }
                        @if product.stock < 10 { span.stock.few { (stock(product.stock)) } }
                    }
                }
            }
        }
    }
}
