//! Arguments and environment -> configuration -> application; nothing else.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use vision_service::cli::{Cli, Command, ConfigArgs};
use vision_service::config::{self, Config};
use vision_service::{app, commands, environment, frame_door, memory, telemetry};

fn main() -> ExitCode {
    memory::set_up_allocator();
    environment::switch_onnx_runtime_telemetry_off();
    match run(Cli::parse().command) {
        Ok(code) => code,
        // A reader that has seen enough, such as `head`, is not a failure.
        Err(e) if is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(e: &anyhow::Error) -> bool {
    e.chain().any(|c| c.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout();
    match command {
        Command::Serve { demo, config } => {
            let mut config = load(&config)?;
            config.http.demo |= demo;
            runtime()?.block_on(app::serve(config))?;
        }
        Command::Controller(args) => {
            telemetry::init(&Default::default(), None);
            runtime()?.block_on(commands::controller::run(args))?;
        }
        Command::Models { json, config } => commands::models::run(&load(&config)?, json, out)?,
        Command::Config { reference: true, .. } => write!(out, "{}", config::table::reference())?,
        Command::Config { config, .. } => {
            let layers = config.layers()?;
            Config::from_layers(&layers)?;
            write!(out, "{}", config::describe(&layers))?;
        }
        Command::Demo { out, room, config } => {
            return Ok(runtime()?.block_on(vision_service::demo::run(load(&config)?, &out, room))?);
        }
        Command::Analyze { file, json, plot, pictures, gestures, config } => {
            let arguments = commands::analyze::Arguments { file, json, plot, pictures, gestures };
            commands::analyze::run(&load(&config)?, arguments, out)?;
        }
        Command::Pipelines { name, set, run, seconds } => {
            let arguments = commands::pipelines::Arguments { name, set, run, seconds };
            let config = load(&ConfigArgs::default())?;
            runtime()?.block_on(commands::pipelines::run(&config, arguments, out))?;
        }
        Command::Match { a, b, json, config } => {
            return Ok(commands::compare::run(&load(&config)?, &a, &b, json, out)?);
        }
        Command::VerifyJwt { token, key_file, algorithm, audience, bestshot } => {
            let arguments = commands::verify_jwt::Arguments { token, key_file, algorithm, audience, bestshot };
            commands::verify_jwt::run(&arguments, out)?;
        }
        Command::VerifyEvidence { folder, key_file, algorithm } => {
            let arguments = commands::verify_evidence::Arguments { folder, key_file, algorithm };
            commands::verify_evidence::run(&arguments, out)?;
        }
        Command::Worker { config, once, concurrency } => {
            let arguments = commands::worker::Arguments { config, once, concurrency };
            runtime()?.block_on(commands::worker::run(arguments))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(args: &ConfigArgs) -> anyhow::Result<Config> {
    let config = Config::from_layers(&args.layers()?)?;
    telemetry::init(&config.log, frame_door::log_level(&config.frame_door));
    Ok(config)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
