import { afterAll, beforeAll, describe } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { testAdapter } from '../../kit/adapter-contract.ts'
import { testSituations } from './situations.ts'
import { testCommitOrdered } from './sqlserver-commit-ordered.ts'
import { testConnections, testServer, testStatements } from './sqlserver-connections.ts'
import { testValues } from './sqlserver-edges.ts'
import type { Lab } from './sqlserver-lab.ts'
import { startLab } from './sqlserver-lab.ts'
import { sqlServerWords } from './sqlserver-words.ts'
import { TABLE_WORLDS } from './tables.ts'

let lab: Lab

beforeAll(async () => {
  lab = await startLab()
}, 60_000)

afterAll(() => lab.stop())

// Every fortieth call is broken off here, and test/integration breaks off more of them.
for (const { title, make } of TABLE_WORLDS)
  testAdapter(`a table of SQL Server read ${title}`, {
    adapter,
    world: async () => make(await lab.source()),
    every: 40,
  })

describe('in a table of SQL Server', () => testSituations(sqlServerWords, () => lab.source()))
describe('SQL Server, connecting', () => testConnections(() => lab))
describe('SQL Server, answering', () => testStatements(() => lab))
describe('SQL Server itself', () => testServer(() => lab))
describe('SQL Server, its types', () => testValues(() => lab))
describe('SQL Server, in the order of commits', () => testCommitOrdered(() => lab))
