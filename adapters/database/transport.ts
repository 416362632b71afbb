import type { Reading } from './clock.ts'
import type { SqlEngine } from './sql-tokens.ts'

/**
 * All that the session logic asks of a database, so that the same logic runs over a real server and over one in
 * memory. An implementation throws AdapterErrors and nothing else, and its messages hold no values of rows and no
 * secrets.
 */
export interface Transport {
  readonly dialect: Dialect
  /** Opens a read-only transaction in which every query sees the same state of the database. One at a time. */
  snapshot(signal: AbortSignal): Promise<Snapshot>
  close(): Promise<void>
}

export interface Snapshot {
  /** The server gives no view that stands still: each statement sees the state of its own moment. */
  readonly moves?: true
  /**
   * One statement. Parameters are text or null; so are values, written by the database as `Dialect.selected` asks. Throws
   * ADAPTER_ENTITY_UNKNOWN when a table or column is not there, ADAPTER_CONFIG_INVALID with `details.badValue` true
   * when a text could not be read as a value of its type.
   */
  query(text: string, parameters: readonly (string | null)[], signal: AbortSignal): Promise<Rows>
  /** Ends the transaction. Never throws: a connection that cannot end one is broken, and the next call says so. */
  end(): Promise<void>
}

export type Row = readonly (string | null)[]

export type Rows = Readonly<{
  /** `type` is the name of the column's type, or stands for it in `Dialect.typeNames`. */
  columns: readonly Readonly<{ name: string; type: string }>[]
  rows: readonly Row[]
}>

/** Adds a value to the parameters of the statement being written and returns its number, counted from 1. */
export type Bind = (value: string | null) => number

export type CursorType = 'instant' | 'local' | 'date' | 'number'

/**
 * How an engine writes what the session logic wants to say. Names are quoted, everything else goes in as a parameter.
 * `type` is a type's name as a relation's description gives it. Statements begin with SELECT and call what they read `q`.
 */
export interface Dialect {
  readonly engine: SqlEngine
  column(name: string): string
  /** `schema.table`: each part is taken exactly as it is written. */
  table(name: string): string
  value(parameter: number, type: string): string
  /**
   * A column as text that holds its value exactly, whatever client, session and server make of numbers and times. The
   * order of a statement must name the column itself: texts sort otherwise.
   */
  selected(column: string, type: string): string
  /** Whether `selected` changes types, so that the answer to a page does not tell of a column that has another one now. */
  readonly hidesTypes: boolean
  /** Whether the first tuple is behind the second one, or not; no value of either is null. */
  compared(left: readonly string[], operator: '>' | '<=', right: readonly string[]): string
  /** A query that tells the columns of a relation and reads no row. */
  shape(from: string): string
  /** The first rows of a query that is complete with its order. */
  limited(query: string, rows: number): string
  /** One row with the name of each type. Null: `Rows.columns` gives names already. */
  readonly typeNames: ((types: readonly string[], bind: Bind) => string) | null
  /** Rows of one column: names of the columns of a table that are never null. */
  neverNull(table: string, bind: Bind): string
  /** Tuples as a relation `h` with columns `v1`, `v2` … and their number `i`, counted from 1. */
  tuples(types: readonly string[], tuples: readonly Row[], bind: Bind): string
  /** What a type means as the first column of a cursor; null: it cannot be one. */
  cursorType(type: string): CursorType | null
  /** An expression of a type, less an overlap. */
  less(expression: string, type: string, overlap: Readonly<{ ms: number } | { count: string }>): string
  /** One row, one text: what a clock in UTC shows now, as the database has it, `YYYY-MM-DD HH:MM:SS.ffffff`. */
  readonly clock: string
  /** A parameter of that form as a value of a time type; a type with a zone takes it to be UTC. */
  moment(parameter: number, type: string): string
  /**
   * Rows of two texts: an id of each transaction that may still write into this database, other than our own, and when
   * it began, of the form of `clock`. One that is not among them began later, or what it wrote is visible to snapshots
   * taken after this was asked. The first row is two empty texts; without it the account may not know. Null: the engine
   * does not tell.
   */
  readonly openTransactions: string | null
  /**
   * One row, one column: a whole number that only rises in one server, and is lower again in a restored backup of it.
   * It belongs to what the snapshot sees, changes nothing and needs no right. Null: the engine has none.
   */
  readonly horizon: string | null
  /** Null: the engine cannot; then the gateway computes what it needs of whole rows. */
  readonly checksums: Checksums | null
  /** Each one row, one column: who answers; from the most telling to what any account may ask. */
  identities(): readonly string[]
  /**
   * One row where the database's own zone, in which it fills in a local time by itself, has other hours than the given
   * one, now or within a year: its name, its clock, and the clock of the given zone. `year`: the clock of the given zone,
   * the present first, for engines that do not know the zones by their names.
   */
  otherZone(zone: string, year: readonly Reading[]): Statement
  /**
   * Of a table one row: null where an index begins with the column, so that the highest value is had at once, or else
   * what a person should know. None for what is no table.
   */
  cursorIndex(table: string, column: string): Statement
  /**
   * Each gives rows of a text: what a person should know about server, account and table. A second column says
   * `warning` of what is not safe, as an account that may write.
   */
  advice(
    subject: Readonly<{ table: string; key: readonly string[]; cursor: readonly string[] }> | null,
  ): readonly Statement[]
  /** Absent: the engine does not tell in which order changes were committed. */
  readonly commitOrdered?: CommitOrdered
}

/**
 * How the database itself computes what a sweep compares, so that rows which are equal need not be sent. The same
 * columns always give the same numbers: they are kept with the events.
 */
export interface Checksums {
  /** A whole number of 64 bits, with or without sign, that tells the contents of a row: nulls and the borders of columns count. */
  fingerprint(columns: readonly Readonly<{ column: string; text: string }>[]): string
  /** Such a number as text. */
  text(number: string): string
  /** Sum of whole numbers, exact, as text; of none it is 0. */
  total(number: string): string
  /** What `joinKey` makes of the texts of these columns. */
  key(columns: readonly Readonly<{ column: string; text: string }>[]): string
  /** Rest of the first 32 bits of a text's MD5 (in UTF-8, the most significant bit first), as a number and as text. */
  bucket(text: string, buckets: number): string
}

/** What an engine tells of the order in which changes were committed, for feeds that read by it. */
export type CommitOrdered = Readonly<{
  /**
   * One row for a table with a column that the database raises with each change of a row: its name, and null where an
   * index begins with it, or else what a person should know. No row: the table has none.
   */
  column(table: string): Statement
  /**
   * An expression of that column's type. Of the values below it, every change is committed or undone: none comes later.
   * The oldest transaction that is still open holds it back. Read it by a statement of its own, and the rows afterwards:
   * what is committed in between lies above it.
   */
  bound: string
  /** The keys of changed rows, which the database itself notes where its owner told it to. */
  tracked: Readonly<{
    /**
     * One row: the newest version, and the oldest after which all changes are still known; both whole numbers as text.
     * No row: the table is not tracked.
     */
    versions(table: string): Statement
    /**
     * What was changed after a version, as a relation `h`: `v1`, `v2` … are the columns of the key, `deleted` is 1 or 0,
     * `version` the version of the last change. Each key stands there once.
     */
    changes(table: string, key: readonly string[], after: string, bind: Bind): string
  }>
}>

export type Statement = Readonly<{ text: string; parameters: readonly (string | null)[] }>

/** Collects the parameters of a statement while it is written. */
export function binding(): Readonly<{ parameters: readonly (string | null)[]; bind: Bind }> {
  const parameters: (string | null)[] = []
  return { parameters, bind: (value) => parameters.push(value) }
}
