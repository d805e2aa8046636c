//! Made-up records through the assembler.

mod script;

mod loss;
mod mariadb;
mod pieces;
mod postgres;
mod sessions;
mod threads;
