/**
 * How the people of an engine write what an ERP says to it, so that a situation is told once for all engines. Names of
 * tables and columns stand in brackets in statements, exactly as they are to be called: `[shop.doc]`, `[changed]`.
 */
export type Words = Readonly<{
  /** One part of a name, as statements write it. */
  quoted(name: string): string
  types: Readonly<{
    small: string
    bigint: string
    double: string
    decimal(precision: number, scale: number): string
    text(length: number): string
    char(length: number): string
    /** A moment: the same in every zone. */
    instant: string
    /** What a clock shows, in no zone. */
    local: string
    date: string
  }>
  text(value: string): string
  /** `2026-03-01 12:00:00`, in UTC. */
  instant(reading: string): string
  local(reading: string): string
  date(day: string): string
  /** The present; without a zone that of UTC. */
  now: Readonly<{ instant: string; local: string; date: string }>
  /** An expression of an instant, later by so many seconds, or by those of an expression; earlier where negative. */
  later(expression: string, seconds: number | string): string
  /** A relation with a column `n` that holds these whole numbers. */
  series(first: number, last: number): string
  /** A query of one row with this text. */
  one(text: string): string
  /** Statements that alter a table; null where the engine has none. */
  dropColumn(table: string, column: string): string
  renameColumn(table: string, column: string, name: string): string | null
  /** Makes a column of numbers, with numbers in it, one of text. */
  becomesText(table: string, column: string): string | null
  traits: Readonly<{
    /** A char(n) arrives with its blanks. */
    padsChar: boolean
    /** In an index of texts, a and A are two. */
    tellsCase: boolean
  }>
}>

/** A statement as the engine reads it. */
export function written(words: Words, statement: string): string {
  return statement.replace(/\[([\w.]+)\]/g, (_, name: string) => name.split('.').map(words.quoted).join('.'))
}

/** Statements that insert rows, one each: some engines know no more. */
export function insert(table: string, ...rows: readonly string[]): readonly string[] {
  return rows.map((row) => `INSERT INTO [${table}] VALUES (${row})`)
}

/** A statement that inserts a row for each number of a series, in the words of `n`. */
export function fill(words: Words, table: string, first: number, last: number, row: string): string {
  return `INSERT INTO [${table}] SELECT ${row} FROM ${words.series(first, last)}`
}

/** Far in the future, and within what every type of a time can hold. */
export const FAR = '2037-12-31'
