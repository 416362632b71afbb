import { afterAll, beforeAll, describe } from 'vitest'
import { testCommitOrdered } from './commit-ordered.ts'
import { testConnections, testServer, testStatements } from './connections.ts'
import type { Lab } from './lab.ts'
import { startLab } from './lab.ts'
import { testValues } from './values.ts'

let lab: Lab

beforeAll(async () => {
  lab = await startLab()
}, 60_000)

afterAll(() => lab.stop())

describe('SQL Server, connecting', () => testConnections(() => lab))
describe('SQL Server, answering', () => testStatements(() => lab))
describe('SQL Server itself', () => testServer(() => lab))
describe('SQL Server, its types', () => testValues(() => lab))
describe('SQL Server, in the order of commits', () => testCommitOrdered(() => lab))
