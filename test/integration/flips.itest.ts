import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { flipBytes, flipsTable } from '../chaos/flips.ts'
import { describeWithService } from '../kit/services.ts'

/** `npm run chaos -- flips` has 200. */
const PLACES = 24

describeWithService('postgres', 'a flipped bit in what a gateway left on the disk', (postgres) => {
  test('is found with the file and what to do, or changes no event, and nothing begins anew [P10 F19]', async () => {
    await using database = await postgres.database()
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-flips-'))
    try {
      const { counts, wrong } = await flipBytes({
        databaseUrl: database.url,
        folder,
        places: PLACES,
        seed: 'verify',
        report: () => undefined,
      })
      console.log(flipsTable(counts).join('\n'))
      expect(wrong).toEqual([])
      expect([...counts.values()].reduce((sum, { detected }) => sum + detected, 0)).toBeGreaterThan(3)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 600_000)
})
