import type { Engine, EngineSession, Result } from './engine.ts'
import { PRELUDE } from './sql/prelude.ts'
import type { Translated } from './sql/statements.ts'
import { translate } from './sql/statements.ts'
import type { Column } from './tokens.ts'
import type { SqlType } from './values.ts'
import { parseType } from './values.ts'

/** What a statement of T-SQL gave. */
export type Answer = Readonly<{
  columns: readonly Column[]
  rows: readonly (readonly (string | null)[])[]
  rowCount: number
}>

/** One client of the played database. */
export interface DatabaseSession {
  /** A batch of T-SQL; parameters are `@p1`, `@p2` …. Throws a SqlFailure, or what PostgreSQL said. */
  run(sql: string, parameters?: readonly (string | null)[]): Promise<readonly Answer[]>
  /** `repeatable`: all its statements see one state, which is that of the first one that looks at a table. */
  begin(isolation: 'committed' | 'repeatable'): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
  close(): Promise<void>
}

/** Makes an empty PostgreSQL play a database of SQL Server. */
export async function preparePostgres(engine: Engine): Promise<void> {
  const session = await engine.session()
  await session.run(PRELUDE)
  await session.close()
}

export async function openDatabase(engine: Engine): Promise<DatabaseSession> {
  const session = await engine.session()
  const state = { waiting: null as string | null, isOpen: false }
  const end = async (how: string) => {
    if (state.isOpen) await session.run(how)
    state.isOpen = false
    state.waiting = null
  }
  return {
    async run(sql, parameters = []) {
      const answers: Answer[] = []
      for (const statement of translate(sql)) {
        // A statement without tables takes no snapshot there.
        if (state.waiting !== null && statement.readsTables) {
          await session.run(state.waiting)
          state.waiting = null
          state.isOpen = true
        }
        answers.push(await runOne(session, statement, parameters))
      }
      return answers
    },
    async begin(isolation) {
      await end('ROLLBACK')
      state.waiting = `BEGIN ISOLATION LEVEL ${isolation === 'repeatable' ? 'REPEATABLE READ' : 'READ COMMITTED'}`
    },
    commit: () => end('COMMIT'),
    rollback: () => end('ROLLBACK'),
    async close() {
      await end('ROLLBACK')
      await session.close()
    },
  }
}

async function runOne(
  session: EngineSession,
  { text, asBytes, isQuery }: Translated,
  parameters: readonly (string | null)[],
): Promise<Answer> {
  const values = parameters.map((value, index) =>
    value !== null && asBytes.has(index + 1) ? Buffer.from(value, 'utf16le') : value,
  )
  // A statement without parameters in it takes none.
  const used = /\$\d/.test(text) ? values : []
  const result = await session.run(text, used)
  if (!isQuery) return { columns: [], rows: [], rowCount: result.rowCount }
  return { columns: await columnsOf(session, result), rows: result.rows, rowCount: result.rowCount }
}

async function columnsOf(session: EngineSession, result: Result): Promise<readonly Column[]> {
  const { fields, rows } = result
  const declared = await declaredTypes(session, result)
  return fields.map(({ name, table, column, oid }, index) => {
    const own = declared.get(`${table}:${column}`)
    if (own !== undefined) return { name, ...own }
    const longest = Math.max(0, ...rows.map((row) => row[index]?.length ?? 0))
    return { name: name === '?column?' ? '' : name, type: plainType(oid, longest), isNullable: true }
  })
}

type Declared = Readonly<{ type: SqlType; isNullable: boolean }>

/** Of the columns that come from tables as they are. */
async function declaredTypes(
  session: EngineSession,
  { fields }: Result,
): Promise<ReadonlyMap<string, Declared>> {
  const tables = [...new Set(fields.map(({ table }) => table).filter((table) => table > 0))]
  if (tables.length === 0) return new Map()
  const { rows } = await session.run(
    `SELECT a.attrelid, a.attnum, d.description, a.attnotnull FROM pg_attribute a
      JOIN pg_description d ON d.objoid = a.attrelid AND d.objsubid = a.attnum AND d.classoid = 'pg_class'::regclass
      WHERE a.attrelid = ANY ($1::oid[])`,
    [`{${tables.join(',')}}`],
  )
  return new Map(
    rows.flatMap(([table, column, description, notNull]): [string, Declared][] => {
      const [written = '', collation] = (description ?? '').split(' ')
      const type = parseType(written, collation)
      return type === null ? [] : [[`${table}:${column}`, { type, isNullable: notNull !== 't' }]]
    }),
  )
}

/** Types of expressions, by PostgreSQL's number of the type. */
const PLAIN: Readonly<Record<number, SqlType>> = {
  16: { base: 'bit' },
  20: { base: 'bigint' },
  21: { base: 'smallint' },
  23: { base: 'int' },
  700: { base: 'real' },
  701: { base: 'float' },
  1082: { base: 'date' },
  1114: { base: 'datetime2', scale: 6 },
  1184: { base: 'datetimeoffset', scale: 6 },
  1700: { base: 'decimal', precision: 38, scale: 6 },
  2950: { base: 'uniqueidentifier' },
}

function plainType(oid: number, longest: number): SqlType {
  if (oid === 17) return { base: 'varbinary', length: longest > 16_000 ? 'max' : 8000 }
  return PLAIN[oid] ?? { base: 'nvarchar', length: longest > 4000 ? 'max' : 4000 }
}
