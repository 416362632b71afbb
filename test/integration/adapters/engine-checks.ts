import { describe } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { testEdges } from '../../adapters/database/edges.ts'
import { testSituations } from '../../adapters/database/situations.ts'
import { TABLE_WORLDS } from '../../adapters/database/tables.ts'
import { testAdapter } from '../../kit/adapter-contract.ts'
import type { Engine } from './engine.ts'
import { testOthersAtWork } from './others-at-work.ts'
import { testServer } from './server-checks.ts'

const LONG_MS = 900_000

/** What must be true of every engine, on a real server. */
export function testEngine(engine: Engine): void {
  for (const { title, make } of TABLE_WORLDS)
    describe('keeps its promises', { timeout: LONG_MS }, () => {
      testAdapter(`for a table read ${title}`, {
        adapter,
        world: async () => make(await engine.source()),
      })
    })
  describe('in a table', () => {
    testSituations(engine.words, engine.source)
    testEdges(engine.edges, engine.source)
  })
  describe('with others at work', () => testOthersAtWork(engine))
  describe('and its server', () => testServer(engine))
}
