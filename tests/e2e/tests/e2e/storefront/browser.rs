//! A Chromium of the test's own, driven by chromedriver: started on a free port with a fresh profile, and
//! gone, with all of its processes, when the handle is dropped.

use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tempfile::TempDir;

/// How long an element may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

pub(super) struct Browser {
    client: Client,
    // Before the profile: the browser writes into it until it is gone.
    _driver: Driver,
    _profile: TempDir,
}

/// chromedriver and the browser it started: one process group.
struct Driver {
    child: Child,
    /// Held open: chromedriver must be able to write as long as it lives.
    output: Lines<BufReader<ChildStdout>>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The group is ours alone, and still exists: its leader has not been waited for.
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).ok();
        drop(self.child.wait());
    }
}

impl Browser {
    pub(super) async fn start() -> Self {
        let (driver, port) = tokio::task::spawn_blocking(start_driver).await.unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push("--window-size=1280,900".to_owned());
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "args": flags }));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromedriver starts a browser");
        Self { client, _driver: driver, _profile: profile }
    }

    pub(super) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub(super) async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    pub(super) async fn resize(&self, width: u32, height: u32) {
        self.client.set_window_size(width, height).await.unwrap();
    }

    /// Clicks, and waits until the page that the click leads to is there.
    pub(super) async fn click(&self, selector: &str) {
        // A mark on the old page: once it is gone, the new page has come.
        self.client.execute("document.documentElement.dataset.old = '1'", vec![]).await.unwrap();
        self.element(selector).await.click().await.unwrap();
        let fresh = Locator::Css("html:not([data-old]) footer");
        self.client.wait().at_most(PATIENCE).for_element(fresh).await.unwrap();
    }

    /// Clicks, and waits until a page of any kind is there that the click leads to.
    pub(super) async fn submit(&self, selector: &str) {
        self.client.execute("document.documentElement.dataset.old = '1'", vec![]).await.unwrap();
        self.element(selector).await.click().await.unwrap();
        let fresh = Locator::Css("html:not([data-old]) body");
        self.client.wait().at_most(PATIENCE).for_element(fresh).await.unwrap();
    }

    pub(super) async fn fill(&self, selector: &str, text: &str) {
        let field = self.element(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(super) async fn text(&self, selector: &str) -> String {
        self.element(selector).await.text().await.unwrap()
    }

    pub(super) async fn scrolls_sideways(&self) -> bool {
        let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        self.client.execute(wider, vec![]).await.unwrap() == json!(true)
    }

    /// Keeps a picture when `SCREENSHOTS` names a folder.
    pub(super) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("SCREENSHOTS").map(PathBuf::from) else { return };
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await.unwrap()).unwrap();
    }

    pub(super) async fn close(self) {
        self.client.close().await.unwrap();
    }

    async fn element(&self, selector: &str) -> fantoccini::elements::Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }
}

/// The driver takes a free port of one address family, and ends where another program has it in the other: then
/// it is started anew.
fn start_driver() -> (Driver, u16) {
    let started = (0..5).find_map(|_| try_driver());
    started.expect("chromedriver says its port")
}

fn try_driver() -> Option<(Driver, u16)> {
    let mut child = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("chromedriver is installed: apt-get install chromium chromium-driver");
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut driver = Driver { child, output };
    let port = driver.output.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("started successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    });
    Some((driver, port?))
}
