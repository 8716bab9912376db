//! The elements of HTML that have a part in its syntax.

/// A set of such elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tags(u64);

impl Tags {
    pub(super) const NONE: Tags = Tags(0);
    pub(super) const P: Tags = Tags(1 << 0);
    pub(super) const LI: Tags = Tags(1 << 1);
    pub(super) const UL: Tags = Tags(1 << 2);
    pub(super) const OL: Tags = Tags(1 << 3);
    pub(super) const MENU: Tags = Tags(1 << 4);
    pub(super) const DD: Tags = Tags(1 << 5);
    pub(super) const DT: Tags = Tags(1 << 6);
    pub(super) const DL: Tags = Tags(1 << 7);
    pub(super) const OPTION: Tags = Tags(1 << 8);
    pub(super) const OPTGROUP: Tags = Tags(1 << 9);
    pub(super) const SELECT: Tags = Tags(1 << 10);
    pub(super) const DATALIST: Tags = Tags(1 << 11);
    pub(super) const TD: Tags = Tags(1 << 12);
    pub(super) const TH: Tags = Tags(1 << 13);
    pub(super) const TR: Tags = Tags(1 << 14);
    pub(super) const TBODY: Tags = Tags(1 << 15);
    pub(super) const THEAD: Tags = Tags(1 << 16);
    pub(super) const TFOOT: Tags = Tags(1 << 17);
    pub(super) const CAPTION: Tags = Tags(1 << 18);
    pub(super) const COLGROUP: Tags = Tags(1 << 19);
    pub(super) const TABLE: Tags = Tags(1 << 20);
    pub(super) const BUTTON: Tags = Tags(1 << 21);
    pub(super) const TEMPLATE: Tags = Tags(1 << 22);
    pub(super) const OBJECT: Tags = Tags(1 << 23);
    pub(super) const SVG: Tags = Tags(1 << 24);
    pub(super) const MATH: Tags = Tags(1 << 25);
    pub(super) const RUBY: Tags = Tags(1 << 26);
    pub(super) const RB: Tags = Tags(1 << 27);
    pub(super) const RT: Tags = Tags(1 << 28);
    pub(super) const RP: Tags = Tags(1 << 29);
    pub(super) const RTC: Tags = Tags(1 << 30);
    pub(super) const SECTION: Tags = Tags(1 << 31);
    pub(super) const ARTICLE: Tags = Tags(1 << 32);

    /// The set of this element alone, or of none.
    pub(super) fn named(name: &str) -> Tags {
        match name {
            "p" => Tags::P,
            "li" => Tags::LI,
            "ul" => Tags::UL,
            "ol" => Tags::OL,
            "menu" => Tags::MENU,
            "dd" => Tags::DD,
            "dt" => Tags::DT,
            "dl" => Tags::DL,
            "option" => Tags::OPTION,
            "optgroup" => Tags::OPTGROUP,
            "select" => Tags::SELECT,
            "datalist" => Tags::DATALIST,
            "td" => Tags::TD,
            "th" => Tags::TH,
            "tr" => Tags::TR,
            "tbody" => Tags::TBODY,
            "thead" => Tags::THEAD,
            "tfoot" => Tags::TFOOT,
            "caption" => Tags::CAPTION,
            "colgroup" => Tags::COLGROUP,
            "table" => Tags::TABLE,
            "button" => Tags::BUTTON,
            "template" => Tags::TEMPLATE,
            "object" => Tags::OBJECT,
            "svg" => Tags::SVG,
            "math" => Tags::MATH,
            "ruby" => Tags::RUBY,
            "rb" => Tags::RB,
            "rt" => Tags::RT,
            "rp" => Tags::RP,
            "rtc" => Tags::RTC,
            "section" => Tags::SECTION,
            "article" => Tags::ARTICLE,
            _ => Tags::NONE,
        }
    }

    /// Those of both sets.
    pub(super) const fn and(self, other: Tags) -> Tags {
        Tags(self.0 | other.0)
    }

    /// Whether the sets have an element in common.
    pub(super) const fn meets(self, other: Tags) -> bool {
        self.0 & other.0 != 0
    }
}

/// What a start tag closes without saying so (HTML Standard §13.1.2.4): the outermost open element of the first
/// set that no element of the second stands between.
pub(super) fn closed_by(name: &str) -> Option<(Tags, Tags)> {
    const CELLS: Tags = Tags::TABLE.and(Tags::TD).and(Tags::TH).and(Tags::CAPTION).and(Tags::TEMPLATE);
    const TABLE: Tags = Tags::TABLE.and(Tags::TEMPLATE);
    const ROWS: Tags = Tags::TBODY.and(Tags::THEAD).and(Tags::TFOOT);
    const HEADS: Tags = Tags::CAPTION.and(Tags::COLGROUP);
    const LISTS: Tags = Tags::UL.and(Tags::OL).and(Tags::MENU).and(Tags::SECTION).and(Tags::ARTICLE);
    const RUBY: Tags = Tags::RB.and(Tags::RT).and(Tags::RP);
    Some(match name {
        "li" => (Tags::LI, LISTS.and(CELLS)),
        "dd" | "dt" => (Tags::DD.and(Tags::DT), Tags::DL.and(CELLS)),
        "option" => (Tags::OPTION, Tags::SELECT.and(Tags::DATALIST).and(Tags::OPTGROUP).and(Tags::TEMPLATE)),
        "optgroup" => (Tags::OPTION.and(Tags::OPTGROUP), Tags::SELECT.and(Tags::TEMPLATE)),
        "td" | "th" => (Tags::TD.and(Tags::TH), Tags::TR.and(TABLE)),
        "tr" => (Tags::TR.and(HEADS), ROWS.and(TABLE)),
        "tbody" | "thead" | "tfoot" => (ROWS.and(Tags::TR).and(HEADS), TABLE),
        "rb" | "rt" | "rp" | "rtc" => (RUBY, Tags::RUBY.and(Tags::RTC).and(Tags::TEMPLATE)),
        _ => return None,
    })
}

/// What closes a paragraph, and what it does not reach through.
pub(super) const PARAGRAPH: (Tags, Tags) = (
    Tags::P,
    Tags::BUTTON
        .and(Tags::TABLE)
        .and(Tags::TD)
        .and(Tags::TH)
        .and(Tags::CAPTION)
        .and(Tags::TEMPLATE)
        .and(Tags::OBJECT)
        .and(Tags::SVG)
        .and(Tags::MATH),
);

/// What an end tag does not reach through.
pub(super) fn walls_of_end(name: &str) -> Tags {
    match name {
        "table" | "tr" | "td" | "th" | "tbody" | "thead" | "tfoot" | "caption" => Tags::TABLE,
        _ => Tags::TABLE.and(Tags::TD).and(Tags::TH).and(Tags::CAPTION).and(Tags::TEMPLATE),
    }
}

/// Whether an element has neither content nor end tag.
pub(super) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "basefont"
            | "bgsound"
            | "br"
            | "col"
            | "embed"
            | "frame"
            | "hr"
            | "img"
            | "input"
            | "keygen"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Whether an element belongs into the head where no body has begun.
pub(super) fn is_of_head(name: &str) -> bool {
    matches!(
        name,
        "base"
            | "basefont"
            | "bgsound"
            | "link"
            | "meta"
            | "noscript"
            | "script"
            | "style"
            | "template"
            | "title"
    )
}

/// Whether an element cannot stand in a paragraph.
pub(super) fn closes_paragraph(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "li"
            | "listing"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "p"
            | "plaintext"
            | "pre"
            | "search"
            | "section"
            | "summary"
            | "table"
            | "ul"
            | "xmp"
    )
}
