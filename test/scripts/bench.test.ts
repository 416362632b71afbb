import { expect, test } from 'vitest'
import { benchLane, costTable } from '../../scripts/bench/lane.ts'

test('tells what each step of a lane costs, beside raw limits of the same run', () => {
  const costs = benchLane(500)
  expect(costs.map(({ kind, what }) => `${kind}: ${what}`).sort()).toEqual([
    'raw limit: JSON.stringify and SHA-256',
    'raw limit: insert into node:sqlite',
    'step: apply to the projection',
    'step: detect',
    'step: encode',
    'step: fingerprint',
    'step: map',
    'step: write and hash',
  ])
  for (const { what, micros } of costs) expect(micros, what).toBeGreaterThan(0)
})

test('gives each cost in parts of what the raw limits take together', () => {
  const table = costTable([
    { what: 'map', kind: 'step', micros: 30 },
    { what: 'insert', kind: 'raw limit', micros: 5 },
    { what: 'hash', kind: 'raw limit', micros: 15 },
  ])
  expect(table).toMatch(/^map +step +30\.0 +1\.50$/m)
  expect(table).toMatch(/^insert +raw limit +5\.0 +0\.25$/m)
  expect(table).toMatch(/^both raw limits +20\.0 +1\.00$/m)
})
