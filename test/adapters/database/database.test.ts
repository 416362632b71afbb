import { afterAll, describe } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { testAdapter } from '../../kit/adapter-contract.ts'
import { testEdges } from './edges.ts'
import { startPglite } from './pglite-source.ts'
import { POSTGRES_EDGES } from './postgres-edges.ts'
import { postgresWords } from './postgres-words.ts'
import { testSituations } from './situations.ts'
import { TABLE_WORLDS } from './tables.ts'

const pglite = await startPglite()
afterAll(() => pglite.stop())

// Every thirteenth call is broken off here; test/integration breaks off each of them, on a real server.
for (const { title, make } of TABLE_WORLDS)
  testAdapter(`a table read ${title}`, { adapter, world: async () => make(await pglite.source()), every: 13 })

describe('in a table of PostgreSQL', () => {
  testSituations(postgresWords, pglite.source)
  testEdges(POSTGRES_EDGES, pglite.source)
})
