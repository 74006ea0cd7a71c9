//! What each command of the command line does.

use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;

use assets::messages::Messages;
use shared::key_pin::EnrolLine;

use crate::auth::{enrol, people, second, session};
use crate::blobs::place::{Place, Unfit};
use crate::config::{
    AreaCommand, Command, DataArgs, EnrolCodeArgs, MigrateArgs, ServeArgs, UserAddArgs, UserArgs, UserCommand,
};
use crate::package::Packages;
use crate::store::{self, Audit, StoreError, User};
use crate::system::System;
use crate::{App, AppState, backup, batch};

/// Runs a command to its end.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve(&args),
        Command::Intake(args) => crate::intake::cli::serve(&args),
        Command::IntakeKey(args) => crate::intake::cli::make_key(&args),
        Command::Init(args) => {
            open(&args)?;
            say(&format!("made {}", args.data.display()))
        }
        Command::Area(AreaCommand::Import { data, file }) => {
            let app = open(&data)?;
            let input = disk::File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let count = people::import_areas(&app, BufReader::new(input))?;
            say(&format!("{count} areas"))
        }
        Command::User(UserCommand::Add(args)) => add_user(args),
        Command::User(UserCommand::Change(args)) => {
            let (app, user) = anybody_of(&args.user)?;
            let change = people::UserChange {
                name: args.name,
                role: args.role,
                scope: args.areas,
                cleared: args.cleared,
                may_unmask: args.may_unmask,
                active: args.active,
            };
            people::change_user(&app, &user, change)?;
            say(&user.id.to_string())
        }
        Command::User(UserCommand::SetPassword { user, password_file }) => {
            let (app, user) = user_of(&user)?;
            session::change_password(&app, &user, &first_line(&password_file)?, None)?;
            say(&user.id.to_string())
        }
        Command::User(UserCommand::ResetSecondFactor(args)) => {
            let (app, user) = user_of(&args)?;
            second::reset(&app, &user, None)?;
            say(&user.id.to_string())
        }
        Command::EnrolCode(EnrolCodeArgs { data, tls, login }) => {
            let (app, user) = user_of(&UserArgs { data: data.clone(), login })?;
            let pins = tls.open(&data.data)?.pins();
            let code = enrol::make_code(&app, &user)?;
            note(&app, &user, "audit-enrol-code", "")?;
            say(&enrol::typed(&code, &pins))?;
            match tls.public_url {
                Some(server) => say(&EnrolLine { server, code, pins }.to_string()),
                None => Ok(()),
            }
        }
        Command::Cert(command) => crate::tls::cli::command(&command),
        Command::Import(args) => crate::import::command(args),
        Command::Batch(command) => crate::batch::command(command),
        Command::Audit(command) => crate::audit::cli::command(&command),
        Command::Blobs(command) => crate::blobs::cli::command(&command),
        Command::Backup(args) => crate::backup::cli::backup_command(&args),
        Command::Verify(args) => crate::backup::cli::verify_command(&args),
        Command::Restore(args) => crate::backup::cli::restore_command(&args),
        Command::MigrateStore(args) => migrate_store(&args),
        Command::Outbox(command) => crate::outbox::command(&command),
        Command::Erase(args) => crate::erase::command(&args),
        Command::PersonExport(args) => crate::person::cli::command(&args),
        Command::Retention(args) => crate::retention::cli::command(&args),
    }
}

/// Opens a data folder for a command, with the real clock and randomness.
pub fn open(args: &DataArgs) -> anyhow::Result<App> {
    let opened = || {
        if let Some(database) = &args.database {
            store::place::name(&args.data, database)?;
        }
        AppState::open(&args.data, Arc::new(System))
    };
    opened().with_context(|| format!("cannot open the data in {}", args.data.display()))
}

fn migrate_store(args: &MigrateArgs) -> anyhow::Result<()> {
    let back = args.to == "sqlite";
    let moved =
        if back { store::place::to_sqlite(&args.data) } else { store::place::to_postgres(&args.data, &args.to) };
    let moved = moved.context("the records stay where they were")?;
    say(&format!("{} rows of {} tables moved, compared by their digests: the same", moved.rows, moved.tables))?;
    if back {
        return say("what is left in the database holds personal data: drop it when the server has been seen to work");
    }
    let left = args.data.join(format!("{}.moved", store::place::FILE));
    say(&format!("{} holds personal data: remove it when the server has been seen to work", left.display()))
}

/// One line for whoever or whatever called.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write the answer")
}

/// The server's data and somebody active in it.
fn user_of(args: &UserArgs) -> anyhow::Result<(App, User)> {
    let (app, user) = anybody_of(args)?;
    anyhow::ensure!(
        user.active,
        "{} does not work here any more; `user change --active true` lets them in again",
        args.login
    );
    Ok((app, user))
}

/// Also somebody who works here no more.
fn anybody_of(args: &UserArgs) -> anyhow::Result<(App, User)> {
    let app = open(&args.data)?;
    let user = app.store.user_by_login(&args.login)?;
    let user = user.with_context(|| format!("there is no user {}", args.login))?;
    Ok((app, user))
}

fn first_line(file: &Path) -> anyhow::Result<String> {
    let text = disk::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8(text).with_context(|| format!("{} is no text", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn add_user(args: UserAddArgs) -> anyhow::Result<()> {
    let app = open(&args.data)?;
    let password = args.password_file.as_deref().map(first_line).transpose()?;
    let user = people::add_user(
        &app,
        people::NewUser {
            login: args.login,
            name: args.name,
            role: args.role,
            scope: args.areas,
            cleared: args.cleared,
            may_unmask: args.may_unmask,
            password,
        },
    )?;
    let audit = people::added(&user, None, app.outside.now());
    store::write::<_, StoreError>(&*app.store, user.town, |tx| tx.put_audit(&audit))?;
    say(&user.id.to_string())
}

/// Writes down what a command did for somebody.
fn note(app: &AppState, user: &User, action: &str, detail: &str) -> Result<(), StoreError> {
    let audit = Audit {
        at: app.outside.now(),
        user: None,
        action: action.to_owned(),
        subject: user.id.to_string(),
        detail: detail.to_owned(),
    };
    store::write(&*app.store, user.town, |tx| tx.put_audit(&audit))
}

/// Begins the log, on the standard error.
pub(crate) fn begin_log(json: bool) -> anyhow::Result<()> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let begun = if json { log.json().try_init() } else { log.try_init() };
    begun.map_err(|error| anyhow::anyhow!("cannot begin the log: {error}"))
}

fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    begin_log(args.log_json)?;
    let mut app = open(&args.data)?;
    let state = Arc::get_mut(&mut app).context("the data are in use already")?;
    (state.lease_hours, state.token_hours, state.behind_proxy, state.stamp_photos) =
        (args.lease_hours, args.token_hours, args.behind_proxy, args.stamp_photos);
    state.packages = Packages::of(args.apps.clone(), args.least_app.clone());
    if args.apps.is_some() && state.packages.offer().and_then(|offer| offer.newest).is_none() {
        tracing::warn!("there is no package of the app yet where --apps says: handhelds are offered none");
    }
    (state.tls, state.public_url) = (args.tls.open(&args.data.data)?, args.tls.public_url.clone());
    settle_photos(state, args)?;
    let tls = state.tls.is_spoken();
    if !tls && !args.behind_proxy && !args.listen.ip().is_loopback() {
        anyhow::bail!(
            "without a certificate the server listens on this machine only, and {} is reached from others: \
             make one with `sync-server cert init --data {} --name NAME_OR_ADDRESS`, name one with --tls-cert and --tls-key, \
             or say --behind-proxy if a proxy in front ends HTTPS",
            args.listen,
            args.data.data.display()
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}", args.listen))?;
        let address = listener.local_addr().context("cannot tell the address")?;
        begin_backups(&app, args)?;
        begin_batches(&app, args)?;
        tokio::spawn(speak_of_certificate(app.clone()));
        tokio::spawn(crate::blobs::expiry::daily(app.clone()));
        tokio::spawn(tidy_imports(app.clone()));
        tokio::spawn(follow(app.clone()));
        tokio::spawn(crate::intake::take::expire_daily(app.clone()));
        match args.pull.open()? {
            Some(puller) => {
                tokio::spawn(crate::intake::pull::forever(app.clone(), puller, args.pull.intake_every));
            }
            None => crate::intake::state::none(&app)?,
        }
        if args.archive_after > 0 {
            tokio::spawn(crate::archive::hourly(app.clone(), args.archive_after));
        }
        if args.retention {
            tokio::spawn(crate::retention::daily(app.clone()));
        }
        let scheme = if tls { "https" } else { "http" };
        say(&format!("listening on {scheme}://{address}"))?;
        if let Some(at) = args.metrics {
            let listener = tokio::net::TcpListener::bind(at).await.with_context(|| format!("cannot listen on {at}"))?;
            say(&format!("figures on http://{}/metrics", listener.local_addr().context("cannot tell the address")?))?;
            tokio::spawn(crate::metrics::serve(app.clone(), listener));
        }
        let leave = leave(app.clone(), Duration::from_secs(args.drain.into()));
        crate::http::serve(app, listener, leave).await.context("the server stopped")?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Opens the place of photos that was named, and tries it out. One that cannot be reached just now is no reason not to take
/// text.
fn settle_photos(state: &mut AppState, args: &ServeArgs) -> anyhow::Result<()> {
    let words = Messages::of(crate::import::lang(args.lang.as_deref()));
    let mut place = Place::noted(&*state.store)?;
    if let Some(named) = args.blobs.clone() {
        place = named.of(&state.data);
        let opened =
            place.open(&state.data).and_then(|blobs| place.note(&*state.store, args.blobs_moved).map(|()| blobs));
        state.blobs = opened.map_err(|unfit| anyhow::anyhow!(unfit.text(&place, &words)))?;
    }
    match state.blobs.try_out(state.outside.uuid()) {
        Ok(()) => Ok(()),
        Err(unfit @ Unfit::Away(_)) => {
            tracing::error!("{}", unfit.text(&place, &words));
            Ok(())
        }
        Err(unfit) => Err(anyhow::anyhow!(unfit.text(&place, &words))),
    }
}

/// Says once a day that the certificate ends soon.
async fn speak_of_certificate(app: App) {
    let mut daily = tokio::time::interval(std::time::Duration::from_secs(24 * 3_600));
    loop {
        daily.tick().await;
        if let Some(certificate) = app.tls.ending(app.outside.now()) {
            tracing::warn!(until = %certificate.until, "the certificate ends soon or has ended: `cert renew` makes a new one");
        }
    }
}

/// Takes away daily the tables that nobody brought in.
async fn tidy_imports(app: App) {
    let mut daily = tokio::time::interval(std::time::Duration::from_secs(24 * 3_600));
    loop {
        daily.tick().await;
        let app = app.clone();
        let in_turn = move || match app.store.turn("imports").map_err(std::io::Error::other)? {
            Some(_turn) => crate::import::job::tidy(&app),
            None => Ok(()),
        };
        let done = tokio::task::spawn_blocking(in_turn).await;
        if let Ok(Err(error)) = done {
            tracing::warn!(error = &error as &dyn std::error::Error, "tables that nobody brought in are still there");
        }
    }
}

/// Where the database goes on along another line of history, so does this process, within a second and in a new epoch.
async fn follow(app: App) {
    let mut often = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        often.tick().await;
        if app.store.strays() {
            let app = app.clone();
            let done = tokio::task::spawn_blocking(move || crate::sync::epoch::settle_again(&app)).await;
            if let Ok(Err(error)) = done {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot go on with the database as it is now"
                );
            }
        }
    }
}

/// Backups on a schedule, where they are asked for; else the console says that there are none.
fn begin_backups(app: &App, args: &ServeArgs) -> anyhow::Result<()> {
    if app.store.lineage().context("cannot ask where the records are")?.is_some() {
        anyhow::ensure!(args.backup_to.is_none(), StoreError::Elsewhere);
        tokio::spawn(backup::archived::forever(app.clone()));
        return Ok(());
    }
    let Some(to) = args.backup_to.clone() else {
        tracing::warn!("no backups are made: name a folder with --backup-to");
        return backup::no_schedule(app).context("cannot note that there are no backups");
    };
    let plan = backup::Plan { to, every: args.backup_every, keep: args.backup_keep.into() };
    let due = backup::ticks(app, &plan).context("cannot note the plan of backups")?;
    tracing::info!(to = %plan.to.display(), every_s = plan.every.as_secs(), keep = plan.keep, "backups on a schedule");
    tokio::spawn(backup::on_schedule(app.clone(), plan, due));
    Ok(())
}

/// Batches on a schedule, where they are asked for.
fn begin_batches(app: &App, args: &ServeArgs) -> anyhow::Result<()> {
    let (Some(to), Some(login)) = (args.batch_to.clone(), args.batch_as.clone()) else {
        return batch::schedule::none(app).context("cannot note that there are no batches on a schedule");
    };
    let known = app.store.user_by_login(&login)?.is_some_and(|user| user.active);
    anyhow::ensure!(known, "nobody who works here has the login {login}: name another one with --batch-as");
    let (mut formats, profile) = (args.batch_format.clone(), args.batch_profile.clone());
    formats.sort_unstable();
    formats.dedup();
    let plan = batch::schedule::Plan { to, every: args.batch_every, login, formats, profile };
    let due = batch::schedule::ticks(app, &plan).context("cannot note the plan of batches")?;
    tracing::info!(to = %plan.to.display(), every_s = plan.every.as_secs(), "batches on a schedule");
    tokio::spawn(batch::schedule::on_schedule(app.clone(), plan, due));
    Ok(())
}

/// The same, once whoever spreads requests has had so much time to see that none should come here any more.
async fn leave(app: App, drain: Duration) {
    stop().await;
    app.leaving.store(true, Ordering::SeqCst);
    tokio::time::sleep(drain).await;
}

/// Done when somebody wants the server to end (SIGTERM, SIGINT).
pub(crate) async fn stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM");
                interrupt.await.ok();
            }
        }
    }
    #[cfg(not(unix))]
    interrupt.await.ok();
    tracing::info!("stopping: answering what is under way");
}
