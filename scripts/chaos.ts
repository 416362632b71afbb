import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { chaosEmbedded, type Kill, killsAtSteps, LANE_STEPS } from '../test/chaos/embedded.ts'
import { seededRandom } from '../test/kit/random.ts'
import { createServices } from './services.ts'

/**
 * `npm run chaos -- embedded [--kills 20] [--seed N]`: the long form of the kill tests that `verify` holds in a short
 * one. Prints as it goes, and at the end the kills per step and what was found.
 */
const [name, ...rest] = process.argv.slice(2)
const option = (wanted: string, fallback: string) => rest[rest.indexOf(`--${wanted}`) + 1] ?? fallback
const has = (wanted: string) => rest.includes(`--${wanted}`)

if (name !== 'embedded') {
  console.error('Usage: npm run chaos -- embedded [--kills 20] [--seed TEXT]')
  process.exit(2)
}
const seed = has('seed') ? option('seed', '1') : '1'
const randomKills = has('kills') ? Number(option('kills', '20')) : 20
const services = createServices({ environment: process.env, report: (line) => console.log(line) })
const folder = mkdtempSync(join(tmpdir(), 'erpgw-chaos-'))
try {
  process.exitCode = await run()
} finally {
  await services.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function run(): Promise<number> {
  const answer = await services.ask('postgres')
  if (answer.kind === 'refused') {
    console.error(`No PostgreSQL: ${answer.reason}`)
    return 1
  }
  const databaseUrl = await freshDatabase(answer.url)
  const random = seededRandom(seed)
  const kills: Kill[] = [
    ...killsAtSteps(random),
    ...Array.from({ length: randomKills }, () => ({ afterMs: random.between(1_200, 6_000) })),
  ]
  const result = await chaosEmbedded({
    databaseUrl,
    folder,
    kills,
    seed,
    report: (line) => console.log(line),
  })
  const missed = LANE_STEPS.filter((step) => result.kills[step] !== 1)
  console.log(`\n${result.writes} writes, ${result.events} events; kills: ${JSON.stringify(result.kills)}`)
  for (const { checker, sentence } of result.violations) console.log(`${checker}: ${sentence}`)
  if (missed.length > 0) console.log(`Inconclusive: never killed at ${missed.join(', ')}.`)
  const isWell = result.violations.length === 0 && missed.length === 0
  console.log(isWell ? 'Nothing lost, nothing doubled, nothing invented.' : 'The run failed.')
  return isWell ? 0 : 1
}

async function freshDatabase(adminUrl: string): Promise<string> {
  const name = `chaos_${process.pid}`
  const client = new pg.Client({ connectionString: adminUrl })
  await client.connect()
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  await client.query(`CREATE DATABASE ${name}`)
  await client.end()
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}
