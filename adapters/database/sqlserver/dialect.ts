import { AdapterError } from '../../errors.ts'
import { zoneOffsetMs } from '../../shared/zone-offset.ts'
import type { Bind, Dialect, Row, Statement } from '../transport.ts'
import { cursorIndex, nullableNever, otherCollation, uniqueness, writable } from './catalog.ts'
import { sqlServerChecksums } from './checksums.ts'
import { commitOrdered } from './commit-ordered.ts'
import { isEnclosed } from './enclosed.ts'
import { quote, quoteTable } from './names.ts'
import { asText, asValue, cursorType, less, moment } from './values.ts'

/**
 * How SQL Server says what the session logic wants, in words that 2008 R2 knows already: K/3 and U8 run on it. `wall`
 * tells epoch milliseconds: no server before 2016 knows the hours of a zone. `notes` is what a person should know of
 * this connection.
 */
export function sqlServerDialect(
  of: Readonly<{ wall(): number; hasRowVersions: boolean; knowsUtf8: boolean; notes: readonly string[] }>,
): Dialect {
  return {
    engine: 'sqlserver',
    column: quote,
    table: quoteTable,
    value: (parameter, type) => asValue(`@p${parameter}`, type),
    selected: asText,
    hidesTypes: true,
    compared,
    shape(from) {
      const [, select = ''] = /^\(\n([\s\S]*)\n\) q$/.exec(from) ?? []
      if (isEnclosed(select)) return `SELECT TOP (0) * FROM ${from}`
      throw new AdapterError(
        'ADAPTER_CONFIG_INVALID',
        'A select does not close what it opens, or closes more: check its parentheses, quotes and comments.',
      )
    },
    limited: (query, rows) => query.replace(/^SELECT /, `SELECT TOP (${rows}) `),
    typeNames: null,
    neverNull: nullableNever,
    tuples,
    cursorType,
    less,
    clock: 'SELECT CONVERT(varchar(26), CAST(SYSUTCDATETIME() AS datetime2(6)), 121)',
    moment,
    // The views that tell need VIEW SERVER STATE, and nobody promises in what order they and the rows change.
    openTransactions: null,
    horizon: of.hasRowVersions ? HORIZON : null,
    checksums: of.knowsUtf8 ? sqlServerChecksums : null,
    identities: () => IDENTITIES,
    otherZone: (zone) => otherZone(zone, of.wall()),
    cursorIndex,
    advice: (subject) =>
      subject === null
        ? of.notes.map((note) => ({ text: 'SELECT CAST(@p1 AS nvarchar(4000))', parameters: [note] }))
        : [
            writable(subject.table),
            uniqueness(subject.table, subject.key),
            otherCollation(subject.table, [...subject.key, ...subject.cursor]),
          ],
    commitOrdered,
  }
}

/**
 * There is no comparison of whole rows. Columns joined by OR alone would read the whole index; the bound of the first
 * column, which the rest implies, is what a seek begins with.
 */
function compared(left: readonly string[], operator: '>' | '<=', right: readonly string[]): string {
  const [first = '', ...others] = left
  const [bound = '', ...bounds] = right
  if (others.length === 0) return `${first} ${operator} ${bound}`
  const strict = operator === '>' ? '>' : '<'
  const rest = compared(others, operator, bounds)
  return `(${first} ${strict}= ${bound} AND (${first} ${strict} ${bound} OR (${first} = ${bound} AND ${rest})))`
}

/**
 * A statement takes 2,100 parameters, so all values of the tuples travel in one, and their places stand in the statement.
 * Cut as bytes: where a collation knows supplementary characters, places of characters mean something else.
 */
function tuples(types: readonly string[], tuples: readonly Row[], bind: Bind): string {
  const texts: string[] = []
  let place = 1
  const rows = tuples.map((tuple, index) => {
    const cuts = types.flatMap((_, column) => {
      const text = tuple[column] ?? null
      if (text === null) return ['CAST(NULL AS int)', '0']
      const from = place
      texts.push(text)
      place += text.length * 2
      return [String(from), String(text.length * 2)]
    })
    return `(${[index + 1, ...cuts].join(', ')})`
  })
  const bytes = `CAST(@p${bind(texts.join(''))} AS varbinary(max))`
  const columns = types.map((type, column) => {
    const text = `CAST(SUBSTRING(${bytes}, t.o${column + 1}, t.n${column + 1}) AS nvarchar(4000))`
    return `${asValue(text, type)} AS v${column + 1}`
  })
  const names = types.flatMap((_, column) => [`o${column + 1}`, `n${column + 1}`])
  // There is no list of no rows.
  const none = `(${[0, ...names.map(() => 0)].join(', ')})`
  const [listed, where] = rows.length === 0 ? [none, ' WHERE 1 = 0'] : [rows.join(', '), '']
  return `(SELECT t.i, ${columns.join(', ')} FROM (VALUES ${listed}) AS t (${['i', ...names].join(', ')})${where}) AS h`
}

/** A server tells the hours of its machine now, not the rules of their zone: they are compared now alone. */
function otherZone(zone: string, wall: number): Statement {
  const own = 'DATEPART(TZoffset, SYSDATETIMEOFFSET())'
  const given = zoneOffsetMs(zone, wall) / 60_000
  const name = `CASE WHEN ${own} = 0 THEN 'Etc/UTC' WHEN ${own} % 60 <> 0 THEN RIGHT(CONVERT(varchar(40), SYSDATETIMEOFFSET(), 121), 6)
    WHEN ${own} > 0 THEN 'Etc/GMT-' + CAST(${own} / 60 AS varchar(2)) ELSE 'Etc/GMT+' + CAST(-${own} / 60 AS varchar(2)) END`
  const clock = (at: string) => `CONVERT(varchar(5), ${at}, 108)`
  return {
    text: `SELECT ${name}, ${clock('SYSDATETIME()')}, ${clock(`DATEADD(minute, ${given}, SYSUTCDATETIME())`)} WHERE ${own} <> ${given}`,
    parameters: [],
  }
}

/**
 * The last rowversion that was given out. A database without such columns gives out none: the number would stand still
 * and prove nothing, so there it is null.
 */
const HORIZON = 'SELECT CAST(CAST(@@DBTS AS bigint) AS varchar(20))'

/**
 * Every restore begins a new recovery fork. A failover changes the server's name: then a person must say that no commit
 * was lost.
 */
const IDENTITIES = [
  `SELECT 'sqlserver:' + ISNULL(@@SERVERNAME, '') + '/' + DB_NAME() + '/family-' + CAST(r.family_guid AS varchar(36)) + '/fork-' + CAST(r.recovery_fork_guid AS varchar(36))
    FROM sys.database_recovery_status r WHERE r.database_id = DB_ID() AND r.family_guid IS NOT NULL AND r.recovery_fork_guid IS NOT NULL`,
  // An account that may not see that, and Babelfish: what sees every account that may connect.
  `SELECT 'sqlserver:' + ISNULL(@@SERVERNAME, '') + '/' + CAST(d.database_id AS varchar(20)) + ':' + d.name + '/' + CONVERT(varchar(27), CAST(d.create_date AS datetime), 121)
    FROM sys.databases d WHERE d.database_id = DB_ID()`,
] as const
