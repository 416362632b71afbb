import { PGlite } from '@electric-sql/pglite'
import { postgresDialect } from '../../../adapters/database/postgres/dialect.ts'
import { asAdapterError } from '../../../adapters/database/postgres/errors.ts'
import type { Snapshot, Transport } from '../../../adapters/database/transport.ts'
import { postgresWords } from './postgres-words.ts'
import type { TableSource } from './tables.ts'
import { written } from './words.ts'

/**
 * PostgreSQL in memory, for tests that need nothing: the real engine with its one connection. What a real server adds
 * (several connections at once, a network) is tested in `test/integration`.
 */
export async function startPglite(): Promise<
  Readonly<{ source(): Promise<TableSource>; stop(): Promise<void> }>
> {
  const engine = await PGlite.create()
  await engine.exec("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'")
  const state = { schemas: 0, isOpen: false }
  /** Where a test broke a connection off, its transaction is still open on the only one that there is. */
  const free = async () => {
    if (state.isOpen) await engine.exec('ROLLBACK')
    state.isOpen = false
  }
  const erp = async (...statements: readonly string[]) => {
    await free()
    await engine.exec(written(postgresWords, statements.join(';\n')))
  }
  return {
    async source() {
      state.schemas += 1
      const schema = `t${state.schemas}`
      await erp(`CREATE SCHEMA ${schema}`)
      return {
        schema,
        words: postgresWords,
        erp,
        transport: async () => createTransport(engine, state, free),
        drop: () => erp(`DROP SCHEMA ${schema} CASCADE`),
      }
    },
    stop: () => engine.close(),
  }
}

function createTransport(engine: PGlite, state: { isOpen: boolean }, free: () => Promise<void>): Transport {
  return {
    dialect: postgresDialect,
    async snapshot(): Promise<Snapshot> {
      await free()
      await engine.exec('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      state.isOpen = true
      return {
        async query(text, parameters) {
          try {
            const result = await engine.query<(string | null)[]>(text, [...parameters], {
              rowMode: 'array',
              parsers: RAW,
            })
            return {
              columns: result.fields.map(({ name, dataTypeID }) => ({ name, type: `${dataTypeID}:-1` })),
              rows: result.rows,
            }
          } catch (error) {
            throw asAdapterError(error, 'memory', undefined)
          }
        },
        end: free,
      }
    },
    close: free,
  }
}

/** For every built-in type, whose numbers lie below 10,000: the text that the engine writes. */
const RAW = Object.fromEntries(Array.from({ length: 10_000 }, (_, oid) => [oid, (text: string) => text]))
