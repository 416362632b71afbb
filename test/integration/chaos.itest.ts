import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { killsAtSteps, killsByChance, LANE_STEPS } from '../chaos/kills.ts'
import { type ChaosLog, embeddedChaosLog, kafkaChaosLog } from '../chaos/logs.ts'
import { type ChaosResult, chaos } from '../chaos/run.ts'
import { seededRandom } from '../kit/random.ts'
import { describeWithService } from '../kit/services.ts'

/** `npm run chaos -- embedded` and `-- kafka` kill more often. */
const KILLS_BY_CHANCE = 5

describeWithService('postgres', 'kill -9', (postgres) => {
  const tormented = async (makeLog: (folder: string) => ChaosLog): Promise<ChaosResult> => {
    await using database = await postgres.database()
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-chaos-'))
    const random = seededRandom('chaos')
    const log = makeLog(folder)
    const kills = [...killsAtSteps(random), ...killsByChance(random, KILLS_BY_CHANCE, log.isShared)]
    try {
      const seed = 'verify'
      return await chaos({ databaseUrl: database.url, folder, log, kills, seed, report: () => undefined })
    } finally {
      await log.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }

  test('on the embedded log, at every step and by chance: gapless revisions up to the value of the row, each id once [P1 P2 P3 F1]', async () => {
    const result = await tormented(embeddedChaosLog)
    expect(result.violations).toEqual([])
    for (const step of LANE_STEPS) expect(result.kills[step], `kills at ${step}`).toBe(1)
    expect(result.events).toBeGreaterThan(200)
  })

  describeWithService('kafka-jars', 'on Kafka', (brokers) => {
    test('at every step, by chance, of the second of two and of the broker: gapless revisions up to the value of the row, each id once [P1 P2 P3 F1 F2]', async () => {
      await using broker = await brokers.start()
      const result = await tormented(() => kafkaChaosLog(broker, 'platformatic', 'chaos.'))
      expect(result.violations).toEqual([])
      for (const step of LANE_STEPS) expect(result.kills[step], `kills at ${step}`).toBe(1)
      for (const kind of ['take-over', 'server']) expect(result.kills[kind], kind).toBeGreaterThan(0)
      expect(result.events).toBeGreaterThan(200)
    })
  })
})
