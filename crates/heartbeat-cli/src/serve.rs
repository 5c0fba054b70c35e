//! The composition root: settings, store, models, engine, HTTP, signals; readable top to bottom.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use heartbeat_agent::default_model::DefaultModel;
use heartbeat_agent::{Models, Waiter};
use heartbeat_engine::Parts;
use heartbeat_engine::clock_offset;
use heartbeat_engine::events::Live;
use heartbeat_engine::pulse::Pulse;
use heartbeat_store::Address;
use heartbeat_store::sqlite::{ServeLock, lock_for_serving};
use heartbeat_tools::Probes;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::ServeArgs;
use crate::config::{Config, Environment};
use crate::demo;
use crate::first_start::{self, Greeting, base_url};
use crate::http;
use crate::open::{Missing, Opened, open};
use crate::output::Out;

/// Runs the server until it is told to stop.
pub(crate) async fn serve(
    mut config: Config,
    environment: &Environment,
    ask: ServeArgs,
    out: &mut Out,
) -> anyhow::Result<()> {
    if let Some(listen) = ask.listen {
        config.listen = listen;
    }
    config.log.begin()?;
    let database: Address = config.database_url.parse()?;
    let mut only_server = only_server(&database)?;
    let demo_file = ask
        .demo
        .then(|| demo::prepare(&database, &mut config))
        .transpose()?;
    let signals = Signals::listen()?;
    let opened = open(&config, Missing::Create).await?;
    let listener = listen(&config).await?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    if let Some(only_server) = &mut only_server {
        only_server.announce(&base_url(address, config.public_url.as_deref()))?;
    }

    let models = Arc::new(Models::new(config.models.settings(environment)?)?);
    let default_model = models.choose_default().await;
    let live = Live::among(opened.neighbours.clone());
    let shutdown = CancellationToken::new();
    let parts = parts(&config, &opened, &models, &live)?;
    let pulse = Pulse::new(parts, node_name(), shutdown.clone());
    let control = opened.control(&config, pulse.wake());

    let first = first_start::ensure_project(&control).await?;
    let demo = match &demo_file {
        Some(file) => Some(demo::set_up(&control, first.project.id, file, &default_model).await?),
        None => None,
    };
    let served = http::Served {
        control: &control,
        live: &live,
        config: &config,
        address,
    };
    let router = http::router(served, &default_model)?;
    let greeting = Greeting {
        address,
        public_url: config.public_url.as_deref(),
        model: &default_model,
    };
    first_start::greet(
        &control,
        &first,
        &greeting,
        (&opened.address, demo.as_deref()),
        out,
    )
    .await?;

    tokio::try_join!(
        async { pulse.run().await.map_err(anyhow::Error::from) },
        serve_until(&*opened.waiter, (listener, router), &shutdown),
        stop_on_signal(signals, shutdown.clone()),
        follow_others(&opened, &live, &pulse, &shutdown),
    )?;
    opened.close().await;
    tracing::info!("Stopped");
    Ok(())
}

/// Goes by the clock of the database, and hears the other nodes.
async fn follow_others(
    opened: &Opened,
    live: &Live,
    pulse: &Pulse,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let nudges = pulse.nudges();
    let here = (live, &nudges);
    tokio::join!(
        clock_offset::follow(&opened.clock, &*opened.store, shutdown),
        opened.neighbours.follow(&*opened.waiter, here, shutdown),
    );
    Ok(())
}

/// A file has one server; a database of a server has as many as there are nodes.
fn only_server(database: &Address) -> anyhow::Result<Option<ServeLock>> {
    match database {
        Address::Sqlite(path) => Ok(Some(lock_for_serving(path)?)),
        Address::Postgres(_) => Ok(None),
    }
}

fn parts(
    config: &Config,
    opened: &Opened,
    models: &Arc<Models>,
    live: &Live,
) -> anyhow::Result<Parts> {
    let probes = Probes::new(opened.checks.files.clone(), opened.checks.hosts.clone());
    Ok(Parts {
        store: Arc::clone(&opened.store),
        waiter: Arc::clone(&opened.waiter),
        ids: Arc::clone(&opened.ids),
        models: Arc::clone(models) as Arc<dyn heartbeat_engine::Providers>,
        observe: Arc::new(probes),
        hands: Arc::clone(&opened.hands) as Arc<dyn heartbeat_tools::Hands>,
        web: Some(Arc::clone(&opened.web)),
        incidents: heartbeat_engine::incidents::Incidents::default(),
        carrier: Arc::new(config.webhook.carrier()?),
        plans: Arc::new(config.plans()),
        settings: Arc::new(config.engine.settings(config.webhook.channels())),
        live: live.clone(),
    })
}

/// How long open connections, such as a live view, may go on after the end was asked for.
const LAST_ANSWERS: SignedDuration = SignedDuration::from_secs(2);

async fn serve_until(
    waiter: &dyn Waiter,
    (listener, router): (TcpListener, Router),
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        served = http::serve(listener, router, shutdown.clone()) => served,
        () = async {
            shutdown.cancelled().await;
            waiter.wait_until(waiter.now() + LAST_ANSWERS).await;
        } => Ok(()),
    }
}

/// Beyond loopback a public URL is required, because pages check it.
async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let is_loopback = listener
        .local_addr()
        .is_ok_and(|address| address.ip().is_loopback());
    if !is_loopback && config.public_url.is_none() {
        anyhow::bail!(
            "{} is reachable from other machines: set `public_url` (HEARTBEAT_PUBLIC_URL) to the \
             address at which people reach this server",
            config.listen
        );
    }
    Ok(listener)
}

fn node_name() -> String {
    format!("{}:{}", heartbeat_tools::host_name(), std::process::id())
}

/// Cancels `shutdown` on Ctrl-C or SIGTERM.
async fn stop_on_signal(mut signals: Signals, shutdown: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = signals.any() => {}
        () = shutdown.cancelled() => return Ok(()),
    }
    tracing::info!("Stopping: what runs may come to its end");
    shutdown.cancel();
    Ok(())
}

/// Ctrl-C and SIGTERM, from the moment at which they are first listened for: one that comes while
/// the first screen is still being written stops the server as well as any other.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn any(&mut self) {
        self.0.recv().await;
    }
}

/// What the first screen says of the model.
pub(crate) fn model_line(model: &DefaultModel) -> String {
    format!("{} ({})", model.model, model.why)
}
