// Package store keeps the server's state in one data folder: a SQLite database
// and the lock that makes the folder one process's own.
//
// What an append has acknowledged is on disk (WAL with synchronous FULL) and
// survives a killed process and a power cut. There is one connection that
// writes and a few that read; readers never wait for the writer.
//
// The journal of package audit is append-only: the database itself refuses
// statements that change or remove an entry. That stops mistakes and injected
// SQL, not somebody who owns the file; against those stand the permissions of
// the folder.
package store
