import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { LogError } from '../../gateway/log/errors.ts'
import { contentOf, groupBy, type Published } from '../kit/checkers/facts.ts'
import { type Ended, type Installation, installation } from '../kit/gateway-process.ts'
import { readEvents } from '../kit/log-reading.ts'
import { type Random, seededRandom } from '../kit/random.ts'
import { EMBEDDED_LOG, WORKLOAD_TABLES, workloadFiles } from './workload.ts'

/** How the gateway ended before the byte was flipped. */
type Ending = 'stopped' | 'killed'

export type Verdict = 'detected' | 'harmless' | 'wrong'

export type FlipsResult = Readonly<{
  /** By file and ending. */
  counts: ReadonlyMap<string, Readonly<Record<Verdict, number>>>
  /** What a person must read where one is wrong: the file, the byte, and what happened. */
  wrong: readonly string[]
}>

/** Runs side by side; each has a folder of its own. */
const WORKERS = 2

/**
 * Flips one bit at each of so many places, spread over all files of an installation that has been stopped or killed,
 * runs the gateway once with a change of the source still to be read, and restores. Either the program refuses with the
 * file and what to do, and the log says nothing new, or it says exactly what it says without the damage.
 */
export async function flipBytes(
  options: Readonly<{
    databaseUrl: string
    folder: string
    places: number
    seed: string
    report(line: string): void
  }>,
): Promise<FlipsResult> {
  const scenes = await makeScenes(options.databaseUrl, options.folder)
  const flips = chooseFlips(scenes, options.places, seededRandom(options.seed))
  const counts = new Map<string, Record<Verdict, number>>()
  const wrong: string[] = []
  const waiting = [...flips.entries()]
  const work = async (home: Installation) => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, flip] = next
      const { verdict, sentence } = await tryFlip(home, flip)
      const name = `${flip.file} (${flip.scene.ending})`
      const count = counts.get(name) ?? { detected: 0, harmless: 0, wrong: 0 }
      count[verdict] += 1
      counts.set(name, count)
      const line = `${name} byte ${flip.place} bit ${flip.bit}: ${verdict}. ${sentence}`
      if (verdict === 'wrong') wrong.push(line)
      options.report(`${index + 1}/${flips.length} ${line}`)
    }
  }
  await Promise.all(homes(options.databaseUrl, options.folder).map(work))
  return { counts, wrong }
}

type Scene = Readonly<{
  ending: Ending
  /** A copy of the data folder. */
  data: string
  before: readonly string[]
  /** What the log says after an undamaged run. */
  after: readonly string[]
}>

/** A first load and changes, left by a stop and by a kill; then a change that nobody has read yet. */
async function makeScenes(databaseUrl: string, folder: string): Promise<readonly Scene[]> {
  const home = homeIn(join(folder, 'making'), databaseUrl)
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const change = async (mark: string, codes: string) => {
    for (const table of ['touched', 'plain']) {
      await client.query(`UPDATE ${table} SET mark = $1, updated_at = clock_timestamp() WHERE code LIKE $2`, [
        mark,
        codes,
      ])
    }
  }
  try {
    await client.query(WORKLOAD_TABLES)
    for (const table of ['touched', 'plain']) {
      await client.query(
        `INSERT INTO ${table} SELECT '${table}-' || n, 'first ' || n, 'A' FROM generate_series(100, 299) n`,
      )
    }
    await mustRun(home)
    await change('second', '%-11_')
    await mustRun(home)
    const stopped = keep(home, 'stopped')
    await change('third', '%-12_')
    await home.start(['run'], { ERPGW_FAILPOINT: 'lane.after-apply:2' }).ended
    const killed = keep(home, 'killed')
    await change('fourth', '%-1_5')
    await client.query(`DELETE FROM plain WHERE code LIKE '%-13_'`)
    await client.query(`INSERT INTO touched VALUES ('touched-new', 'new', 'B')`)
    return [await sceneOf(home, 'stopped', stopped), await sceneOf(home, 'killed', killed)]
  } finally {
    await client.end()
  }
}

async function sceneOf(home: Installation, ending: Ending, data: string): Promise<Scene> {
  putBack(home, data)
  const before = linesOf(await readEvents(dataOf(home), 'item'))
  putBack(home, data)
  await mustRun(home)
  const after = linesOf(await readEvents(dataOf(home), 'item'))
  if (after.length <= before.length) throw new Error('The change that the runs should read made no event.')
  return { ending, data, before, after }
}

/** An event is what it says and its place among the events of its record. */
function linesOf(events: readonly Published[]): readonly string[] {
  const runs = groupBy(events, ({ recordKey }) => recordKey)
  return [...runs.values()].flatMap((run) =>
    run.map(({ recordKey, event }, place) => {
      const { type, id, revision, data } = event
      return `${recordKey} ${place}: ${type} ${id} revision ${revision} ${contentOf(data)}`
    }),
  )
}

type Flip = Readonly<{ scene: Scene; file: string; place: number; bit: number }>

function chooseFlips(scenes: readonly Scene[], places: number, random: Random): readonly Flip[] {
  const files = scenes.flatMap((scene) => filesOf(scene.data).map((file) => ({ scene, file })))
  const groups = [/log\.sqlite$/, /log\.sqlite-wal$/, /^projections/, /./].map((name) =>
    files.filter(({ file }) => name.test(file)),
  )
  return Array.from({ length: places }, (_, index) => {
    const { scene, file } = random.pick(groups[index % groups.length] ?? files)
    const { length } = readFileSync(join(scene.data, file))
    // Headers are small, and all else hangs on them.
    const place = random.below(random.chance(0.25) ? Math.min(120, length) : length)
    return { scene, file, place, bit: random.below(8) }
  })
}

/** All that have a byte, by their paths in the folder. */
function filesOf(data: string): readonly string[] {
  return readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).length > 0)
    .map((path) => path.slice(data.length + 1))
    .sort()
}

async function tryFlip(home: Installation, flip: Flip): Promise<Judgement> {
  putBack(home, flip.scene.data)
  const flipBack = flipBit(join(dataOf(home), flip.file), flip)
  const ended = await home.erpgw('run', '--once')
  let said = await eventsAfter(home)
  if (ended.code !== 0) return judgeRefusal(complaintOf(ended), said, flip.scene)
  const isFound = said === null
  // The run did not need the record that a reader refuses. Mended, the log shows what the run made of the rest.
  if (isFound && flipBack()) said = await eventsAfter(home)
  const difference = said === null ? null : firstDifference(said, flip.scene.after)
  if (difference !== null) {
    return { verdict: 'wrong', sentence: `The run went through, and ${difference}` }
  }
  return isFound
    ? { verdict: 'detected', sentence: 'The run did not need it; a reader refuses it.' }
    : { verdict: 'harmless', sentence: 'All events are as without the damage.' }
}

type Judgement = Readonly<{ verdict: Verdict; sentence: string }>

/** Flips the bit; gives a function that flips it back where the damaged byte still stands there, and says whether it did. */
function flipBit(path: string, { place, bit }: Flip): () => boolean {
  const bytes = readFileSync(path)
  const [whole, damaged] = [bytes.readUInt8(place), bytes.readUInt8(place) ^ (1 << bit)]
  bytes.writeUInt8(damaged, place)
  writeFileSync(path, bytes)
  return () => {
    const now = existsSync(path) ? readFileSync(path) : Buffer.of()
    if (now.length <= place || now.readUInt8(place) !== damaged) return false
    now.writeUInt8(whole, place)
    writeFileSync(path, now)
    return true
  }
}

function judgeRefusal(complaint: string, said: readonly string[] | null, scene: Scene): Judgement {
  if (!/\.sqlite.*(restore it from a backup|use the version that wrote it)/.test(complaint)) {
    return { verdict: 'wrong', sentence: `The run failed and did not say what to do: ${complaint}` }
  }
  const wrong = said === null ? null : wrongAfterRefusal(said, scene)
  return wrong === null
    ? { verdict: 'detected', sentence: complaint }
    : { verdict: 'wrong', sentence: `${complaint} But ${wrong}` }
}

/** What a reader finds; null where it refuses the log as damaged. */
async function eventsAfter(home: Installation): Promise<readonly string[] | null> {
  try {
    return linesOf(await readEvents(dataOf(home), 'item'))
  } catch (error) {
    if (error instanceof LogError) return null
    throw error
  }
}

/** A lane that did not meet the damage may have published, but nothing else than without it. */
function wrongAfterRefusal(said: readonly string[], { before, after }: Scene): string | null {
  const [known, possible] = [new Set(said), new Set(after)]
  const gone = before.find((line) => !known.has(line))
  if (gone !== undefined) return `the log reads as whole without: ${gone}`
  const invented = said.find((line) => !possible.has(line))
  return invented === undefined ? null : `the log says: ${invented}`
}

function firstDifference(said: readonly string[], wanted: readonly string[]): string | null {
  const missing = wanted.find((line) => !said.includes(line))
  if (missing !== undefined) return `the log lacks: ${missing}`
  const more = said.find((line) => !wanted.includes(line))
  if (more !== undefined) return `the log says: ${more}`
  return said.length === wanted.length ? null : 'the log says some events twice.'
}

function complaintOf({ out, err }: Ended): string {
  const lines = `${err}\n${out}`.split('\n').filter((line) => /damaged|Error|error|format|no log/.test(line))
  return lines.join(' ').trim() || err.trim()
}

async function mustRun(home: Installation): Promise<void> {
  const { code, err } = await home.erpgw('run', '--once')
  if (code !== 0) throw new Error(`A run without damage failed: ${err}`)
}

function homes(databaseUrl: string, folder: string): readonly Installation[] {
  return Array.from({ length: WORKERS }, (_, index) => homeIn(join(folder, `home-${index}`), databaseUrl))
}

function homeIn(folder: string, databaseUrl: string): Installation {
  mkdirSync(join(folder, 'drop'), { recursive: true })
  const password = decodeURIComponent(new URL(databaseUrl).password) || 'none'
  return installation(folder, workloadFiles(databaseUrl, EMBEDDED_LOG), { CHAOS_PASSWORD: password })
}

function dataOf(home: Installation): string {
  return join(home.folder, 'data')
}

/** Copies the data folder aside, without the socket that a killed gateway leaves. */
function keep(home: Installation, name: string): string {
  const to = join(home.folder, name)
  rmSync(join(dataOf(home), 'control.sock'), { force: true })
  copyFolder(dataOf(home), to)
  return to
}

function putBack(home: Installation, data: string): void {
  if (existsSync(dataOf(home))) rmSync(dataOf(home), { recursive: true })
  copyFolder(data, dataOf(home))
}

function copyFolder(from: string, to: string): void {
  // Folders get the mode of the copying process, and the log refuses one that others can get at.
  const before = process.umask(0o077)
  try {
    cpSync(from, to, { recursive: true, preserveTimestamps: true })
  } finally {
    process.umask(before)
  }
}

/** The counts as a table for people. */
export function flipsTable(counts: FlipsResult['counts']): readonly string[] {
  const rows = [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
  return rows.map(
    ([name, { detected, harmless, wrong }]) =>
      `${name.padEnd(52)} detected ${detected}, harmless ${harmless}, wrong ${wrong}`,
  )
}
