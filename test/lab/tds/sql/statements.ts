import { alterTable, createTable, enableTracking } from './definitions.ts'
import type { Found } from './expressions.ts'
import { expression, isSign, isWord, nameAt, query, refuse, topLevel } from './expressions.ts'
import type { Token } from './lexer.ts'
import { tokensOf } from './lexer.ts'

/** A statement of PostgreSQL that does what one of T-SQL says. */
export type Translated = Readonly<{
  text: string
  /** Parameters that are sent as the bytes of their text in UTF-16, and not as text. */
  asBytes: ReadonlySet<number>
  /** It gives rows. */
  isQuery: boolean
  /** It looks at tables, and so begins the snapshot of its transaction. */
  readsTables: boolean
}>

/**
 * Translates a batch: what our dialect writes, and what tests say to the ERP's tables. Throws a SqlFailure at everything
 * else, so that a test never passes by a statement that means something else here.
 */
export function translate(sql: string): readonly Translated[] {
  return statementsOf(tokensOf(sql)).flatMap((tokens) => {
    const found: Found = { asBytes: new Set() }
    const isQuery = isWord(tokens[0], 'select')
    const readsTables = !isQuery || tokens.some((token) => isWord(token, 'from'))
    return statement(tokens, found).map((text) => ({ text, asBytes: found.asBytes, isQuery, readsTables }))
  })
}

function statementsOf(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const statements: Token[][] = [[]]
  for (const token of tokens) {
    // `set … on` of a client need no semicolon between them.
    const begins =
      isWord(token, 'set') && (statements.at(-1)?.length === 0 || isWord(statements.at(-1)?.[0], 'set'))
    if (isSign(token, ';') || begins) statements.push([])
    if (!isSign(token, ';')) statements.at(-1)?.push(token)
  }
  return statements.filter((statement) => statement.length > 0)
}

/** One statement may take several. */
function statement(tokens: readonly Token[], found: Found): readonly string[] {
  const [first, second] = tokens
  const words = `${first?.value} ${second?.value}`.toLowerCase()
  if (isWord(first, 'select')) return [query(tokens, found)]
  if (isWord(first, 'set')) return setting(tokens)
  if (isWord(first, 'update', 'delete')) return [expression(tokens, found)]
  if (isWord(first, 'insert')) return [insertion(tokens, found)]
  if (isWord(first, 'exec')) return [renaming(tokens)]
  switch (words) {
    case 'create table':
      return createTable(tokens, found)
    case 'alter table':
      return isWord(tokens[nameAt(tokens, 2).end], 'enable')
        ? enableTracking(tokens)
        : alterTable(tokens, found)
    case 'truncate table':
      return [
        `TRUNCATE ${nameAt(tokens, 2).text}`,
        `SELECT tds.forget('${nameAt(tokens, 2).parts.join('.')}')`,
      ]
    case 'create unique':
    case 'create index':
    case 'create schema':
    case 'create sequence':
    case 'drop schema':
    case 'drop table':
    case 'drop sequence':
    case 'begin transaction':
    case 'begin tran':
      return [simple(tokens, found)]
    default:
      return ['commit', 'rollback'].includes(first?.value.toLowerCase() ?? '')
        ? [first?.value ?? '']
        : refuse(first)
  }
}

/** Clustered or not is nothing to PostgreSQL. */
function simple(tokens: readonly Token[], found: Found): string {
  return expression(
    tokens.filter((token) => !isWord(token, 'clustered', 'nonclustered', 'tran')),
    found,
  ).replace(/^BEGIN TRANSACTION$/i, 'BEGIN')
}

const SETTINGS = new Set(
  `textsize quoted_identifier ansi_null_dflt_on ansi_nulls ansi_padding ansi_warnings arithabort concat_null_yields_null
   cursor_close_on_commit implicit_transactions numeric_roundabort xact_abort datefirst dateformat language
   deadlock_priority transaction nocount`.split(/\s+/),
)

/** What a session sets; only how long it waits for a lock changes anything here. */
function setting(tokens: readonly Token[]): readonly string[] {
  if (isWord(tokens[1], 'lock_timeout')) return [`SET lock_timeout = ${Number(tokens[2]?.value)}`]
  return SETTINGS.has(tokens[1]?.value.toLowerCase() ?? '') ? [] : refuse(tokens[1])
}

function insertion(tokens: readonly Token[], found: Found): string {
  const at = topLevel(tokens, (token) => isWord(token, 'select'))
  if (at === -1) return expression(tokens, found)
  return `${expression(tokens.slice(0, at), found)} ${query(tokens.slice(at), found)}`
}

/** `EXEC sp_rename 'table.column', 'new', 'COLUMN'`. */
function renaming(tokens: readonly Token[]): string {
  const [, procedure, of, , to, , what] = tokens
  const parts = of?.value.split('.') ?? []
  if (!isWord(procedure, 'sp_rename') || to?.kind !== 'text' || what?.value !== 'COLUMN') refuse(procedure)
  const table = parts.slice(0, -1).map((part) => `"${part}"`)
  return `ALTER TABLE ${table.join('.')} RENAME COLUMN "${parts.at(-1)}" TO "${to?.value}"`
}
