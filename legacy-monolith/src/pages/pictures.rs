//! Drawings of the products, so that the storefront needs no image files.

/// The shop's sign: a leaf.
pub(crate) const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="28" height="28"><path d="M16 3C8 8 5 15 9 24c2 4 5 5 7 5s5-1 7-5C27 15 24 8 16 3Z" fill="#2f5d46"/><path d="M16 8v20M16 15l-4-3M16 20l-5-3M16 15l4-3M16 20l5-3" stroke="#f6f1e7" stroke-width="1.4" stroke-linecap="round" fill="none"/></svg>"##;

/// The drawing of an article, on a ground of 200 by 200.
pub(crate) fn of(sku: &str) -> &'static str {
    match sku {
        "KIT-MUG" => {
            r##"<svg viewBox="0 0 200 200"><path d="M136 84h14a22 22 0 0 1 0 50h-16" fill="none" stroke="#b9ad9a" stroke-width="11"/><path d="M58 68h80v72c0 12-9 20-20 20H78c-11 0-20-8-20-20Z" fill="#d9cfbe"/><path d="M58 68h80v22c-26 9-54-7-80 3Z" fill="#f7f3ea"/><ellipse cx="98" cy="68" rx="40" ry="9" fill="#8a6a4a"/></svg>"##
        }
        "KIT-BRD" => {
            r##"<svg viewBox="0 0 200 200"><g transform="rotate(-24 100 100)"><rect x="40" y="62" width="112" height="76" rx="14" fill="#7b4f2e"/><rect x="148" y="86" width="36" height="28" rx="12" fill="#7b4f2e"/><circle cx="169" cy="100" r="6" fill="#efe6d6"/><path d="M52 82c30 8 60-6 92 2M52 102c34 6 62-6 92 2M52 120c28 6 58-4 88 2" stroke="#5f3a1f" stroke-width="2.5" fill="none"/></g></svg>"##
        }
        "LIG-ARC" => {
            r##"<svg viewBox="0 0 200 200"><path d="M58 168C50 70 96 30 150 66" fill="none" stroke="#3c4a4f" stroke-width="6" stroke-linecap="round"/><path d="M126 84a26 26 0 0 1 48-12l-44 24Z" fill="#2f5d46"/><path d="M130 96l44-24 14 52-46 24Z" fill="#ffe7a6" opacity=".65"/><rect x="34" y="164" width="50" height="9" rx="4" fill="#3c4a4f"/></svg>"##
        }
        "TEX-THR" => {
            r##"<svg viewBox="0 0 200 200"><path d="M42 62h92c14 0 24 10 24 24v58H66c-14 0-24-10-24-24Z" fill="#d8c7a6"/><path d="M42 62h92c14 0 24 10 24 24v4H66c-14 0-24-10-24-24Z" fill="#e8dcc2"/><path d="M66 108h92M66 126h92" stroke="#b79f74" stroke-width="4"/><path d="M70 144v14M84 144v14M98 144v14M112 144v14M126 144v14M140 144v14M154 144v14" stroke="#d8c7a6" stroke-width="4" stroke-linecap="round"/></svg>"##
        }
        "LIG-CAN" => {
            r##"<svg viewBox="0 0 200 200"><ellipse cx="100" cy="164" rx="46" ry="10" fill="#b9ad9a"/><rect x="78" y="84" width="44" height="78" rx="7" fill="#e3a93f"/><path d="M78 92c10 12 16-6 24 6s12-8 20 0v-6a8 8 0 0 0-8-8H86a8 8 0 0 0-8 8Z" fill="#f0c468"/><path d="M100 84V72" stroke="#3c3c3c" stroke-width="3"/><path d="M100 34c14 16 12 38 0 40-12-2-14-24 0-40Z" fill="#f6b73c"/><path d="M100 50c6 8 5 20 0 22-5-2-6-14 0-22Z" fill="#fff2c4"/></svg>"##
        }
        "FUR-STO" => {
            r##"<svg viewBox="0 0 200 200"><path d="M70 78 52 168M130 78l18 90M100 80v82" stroke="#a9743f" stroke-width="10" stroke-linecap="round"/><path d="M62 128h76" stroke="#8f5f30" stroke-width="6"/><ellipse cx="100" cy="70" rx="54" ry="16" fill="#c08a50"/><ellipse cx="100" cy="65" rx="54" ry="15" fill="#d7a468"/></svg>"##
        }
        "KIT-KET" => {
            r##"<svg viewBox="0 0 200 200"><path d="M66 88h66l12 70H54Z" fill="#9aa4a6"/><path d="M66 88h66l3 16H63Z" fill="#b9c2c3"/><path d="M60 138C34 130 46 88 22 76" fill="none" stroke="#9aa4a6" stroke-width="8" stroke-linecap="round"/><path d="M136 96c34-10 44 34 12 50" fill="none" stroke="#4a3524" stroke-width="9" stroke-linecap="round"/><path d="M72 86c4-12 50-12 54 0Z" fill="#7f8a8c"/><circle cx="99" cy="72" r="7" fill="#4a3524"/></svg>"##
        }
        "LIG-LAN" => {
            r##"<svg viewBox="0 0 200 200"><path d="M100 16v26" stroke="#3c4a4f" stroke-width="3"/><ellipse cx="100" cy="104" rx="62" ry="60" fill="#fbf0d5"/><path d="M62 58c24 8 52 8 76 0M43 82c36 10 78 10 114 0M38 106c40 10 84 10 124 0M44 130c36 9 76 9 112 0M62 152c24 6 52 6 76 0" fill="none" stroke="#e2cf9f" stroke-width="3"/><rect x="84" y="40" width="32" height="8" rx="3" fill="#7b4f2e"/><rect x="84" y="160" width="32" height="8" rx="3" fill="#7b4f2e"/></svg>"##
        }
        "TEX-CUS" => {
            r##"<svg viewBox="0 0 200 200"><path d="M44 52c36 8 76 8 112 0-8 34-8 62 0 96-36-8-76-8-112 0 8-34 8-62 0-96Z" fill="#7d9484"/><path d="M62 68c26 5 50 5 76 0-4 22-4 42 0 64-26-5-50-5-76 0 4-22 4-42 0-64Z" fill="none" stroke="#a9bbae" stroke-width="4" stroke-dasharray="7 7"/><circle cx="100" cy="100" r="6" fill="#4e6556"/></svg>"##
        }
        "FUR-TAB" => {
            r##"<svg viewBox="0 0 200 200"><path d="M78 84 54 170M122 84l24 86M100 86v74" stroke="#b88a58" stroke-width="8" stroke-linecap="round"/><ellipse cx="100" cy="80" rx="70" ry="16" fill="#c99d69"/><ellipse cx="100" cy="75" rx="70" ry="15" fill="#e1bd8d"/><rect x="84" y="48" width="22" height="24" rx="4" fill="#f7f3ea"/><path d="M106 54h6a6 6 0 0 1 0 12h-6" fill="none" stroke="#e3dccd" stroke-width="4"/></svg>"##
        }
        "KIT-CAR" => {
            r##"<svg viewBox="0 0 200 200"><path d="M84 62c0 24-30 34-30 66 0 24 14 38 46 38s46-14 46-38c0-32-30-42-30-66Z" fill="#cfe3e2" opacity=".9"/><path d="M60 112c-4 8-6 12-6 18 0 22 14 36 46 36s46-14 46-36c0-6-2-10-6-18-26 10-54-8-80 0Z" fill="#8fbcc0" opacity=".75"/><path d="M78 34h44l-4 30H82Z" fill="#deeceb"/><path d="M72 124c0 14 4 22 12 28" stroke="#f4fbfb" stroke-width="5" fill="none" stroke-linecap="round"/></svg>"##
        }
        "FUR-ROC" => {
            r##"<svg viewBox="0 0 200 200"><path d="M30 158c40 20 100 20 142-2" fill="none" stroke="#8f5f30" stroke-width="8" stroke-linecap="round"/><path d="M66 40c-6 30 0 54 8 78l-14 46M74 118h66l10 44M140 118V92M74 92h72" fill="none" stroke="#a9743f" stroke-width="8" stroke-linecap="round" stroke-linejoin="round"/><path d="M70 112h72v12H74Z" fill="#e8dcc2"/><path d="M60 48l14-6 10 64-14 4Z" fill="#e8dcc2"/></svg>"##
        }
        _ => {
            r##"<svg viewBox="0 0 200 200"><rect x="52" y="66" width="96" height="84" rx="8" fill="#c9a36f"/><path d="M52 92h96M100 66v84" stroke="#a27c48" stroke-width="5"/></svg>"##
        }
    }
}
