//! Looks for the programs that some tests drive, so that a test without its program reports itself as
//! ignored, with the reason. With `REQUIRE_ALL=1` nothing is ignored: what is missing fails.

use std::path::PathBuf;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(have_chromium, have_nginx)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=REQUIRE_ALL");
    println!("cargo::rerun-if-env-changed=PATH");
    let folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).filter(|folder| folder.is_dir()).collect())
        .unwrap_or_default();
    for folder in folders.iter().filter(|folder| folder.is_absolute()) {
        // A browser that is installed later is found without a clean build.
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let has = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    let required = std::env::var_os("REQUIRE_ALL").is_some_and(|value| value == "1");
    if required || (has("chromium") && has("chromedriver")) {
        println!("cargo::rustc-cfg=have_chromium");
    }
    if required || has("nginx") {
        println!("cargo::rustc-cfg=have_nginx");
    }
}
