import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { chaosEmbedded, type Kill, killsAtSteps, LANE_STEPS } from '../chaos/embedded.ts'
import { seededRandom } from '../kit/random.ts'
import { describeWithService } from '../kit/services.ts'

/** `npm run chaos -- embedded` kills more often. */
const RANDOM_KILLS = 5

describeWithService('postgres', 'kill -9 on the embedded log', (postgres) => {
  test('at every step and at random: gapless revisions up to the value of the row, each id once [P1 P2 P3 F1]', async () => {
    await using database = await postgres.database()
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-chaos-'))
    const random = seededRandom('chaos')
    const kills: Kill[] = [
      ...killsAtSteps(random),
      ...Array.from({ length: RANDOM_KILLS }, () => ({ afterMs: random.between(1_500, 4_500) })),
    ]
    try {
      const result = await chaosEmbedded({
        databaseUrl: database.url,
        folder,
        kills,
        seed: 'verify',
        report: () => undefined,
      })
      expect(result.violations).toEqual([])
      for (const step of LANE_STEPS) expect(result.kills[step], `kills at ${step}`).toBe(1)
      expect(result.events).toBeGreaterThan(200)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
