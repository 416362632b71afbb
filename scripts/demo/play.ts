import type { ChatMessage } from '../../test/lab/dingtalk/state.ts'
import type { DemoErp } from './erp.ts'

/** What one step of the play showed. */
export type Shown = Readonly<{
  step: string
  expected: string
  seen: string
  ok: boolean
  delayMs: number | null
}>

export type Stage = Readonly<{
  erp: DemoErp
  /** Messages in DingTalk, in the order of their arrival. */
  outbox(): readonly ChatMessage[]
  /** Rows that the gateway knows, by feed; null until every first load is complete. */
  loaded(): Promise<Readonly<Record<string, number>> | null>
  now(): number
  wait(ms: number): Promise<void>
  tell(line: string): void
}>

/** Time that a step may take at most, on a slow machine. */
const STEP_MS = 30_000
/** How long nothing must come where nothing is to come: three polls and more. */
const SILENCE_MS = 2_500
const LOOK_MS = 10

/** Plays the company's day: somebody does something in the ERP, and the right people know. */
export async function play(stage: Stage): Promise<readonly Shown[]> {
  return [
    await firstLoad(stage),
    await told(stage, {
      step: 'A payment is approved in Viet Nam',
      who: 'the purchasing manager there, in Vietnamese',
      sql: APPROVE,
      values: ['HUANG', 'P0001189'],
      isIt: (message) => message.chat === 'user:0171234567' && message.text.includes('P0001189'),
    }),
    await told(stage, {
      step: 'A payment is approved in Hong Kong',
      who: 'the purchasing manager there, in Chinese',
      sql: APPROVE,
      values: ['HUANG', 'P0001186'],
      isIt: (message) => message.chat === 'user:0181234567' && message.text.includes('P0001186'),
    }),
    await told(stage, {
      step: 'A shop sells the last boxes',
      who: 'the purchasing group',
      sql: SELL,
      values: ['0001042', 'KC-A'],
      isIt: (message) => message.chat.startsWith('group:') && message.text.includes('膨脹螺絲 M8'),
    }),
    await silent(stage, 'A payment is touched, not changed', TOUCH, ['P0001189']),
  ]
}

const APPROVE = `UPDATE payment SET status = 'A', approved_by = $1, approved_at = localtimestamp,
  updated_at = clock_timestamp(), updated_by = 'HUANG' WHERE payment_no = $2`
const SELL = `UPDATE stock SET on_hand = reserved + 12, last_movement_at = localtimestamp,
  updated_at = clock_timestamp() WHERE item_no = $1 AND warehouse_code = $2`
const TOUCH = `UPDATE payment SET updated_at = clock_timestamp() WHERE payment_no = $1`

async function firstLoad(stage: Stage): Promise<Shown> {
  const began = stage.now()
  let rows = await stage.loaded()
  while (rows === null && stage.now() - began < 4 * STEP_MS) {
    await stage.wait(100)
    rows = await stage.loaded()
  }
  const delayMs = stage.now() - began
  await stage.wait(SILENCE_MS)
  const sent = stage.outbox().length
  const counts = Object.entries(rows ?? {}).map(([feed, count]) => `${count} ${feed}`)
  return report(stage, {
    step: 'First load of old documents',
    expected: 'all of them in the log, nobody is told',
    seen: `${counts.join(', ') || 'not loaded'}; ${sent} messages`,
    ok: rows !== null && counts.length === 3 && sent === 0,
    delayMs,
  })
}

type Scene = Readonly<{
  step: string
  who: string
  sql: string
  values: readonly string[]
  isIt(message: ChatMessage): boolean
}>

async function told(stage: Stage, scene: Scene): Promise<Shown> {
  const before = stage.outbox().length
  const began = stage.now()
  await stage.erp.write(scene.sql, scene.values)
  const written = stage.now()
  const fresh = () => stage.outbox().slice(before)
  while (!fresh().some(scene.isIt) && stage.now() - began < STEP_MS) await stage.wait(LOOK_MS)
  const delayMs = stage.now() - written
  await stage.wait(SILENCE_MS)
  const messages = fresh()
  const [first] = messages
  return report(stage, {
    step: scene.step,
    expected: `one message, to ${scene.who}`,
    seen: messages.length === 1 && first !== undefined ? first.title : `${messages.length} messages`,
    ok: messages.length === 1 && messages.every(scene.isIt),
    delayMs,
  })
}

async function silent(stage: Stage, step: string, sql: string, values: readonly string[]): Promise<Shown> {
  const before = stage.outbox().length
  await stage.erp.write(sql, values)
  await stage.wait(SILENCE_MS)
  const more = stage.outbox().length - before
  return report(stage, {
    step,
    expected: 'no message',
    seen: `${more} messages`,
    ok: more === 0,
    delayMs: null,
  })
}

function report(stage: Stage, shown: Shown): Shown {
  const delay = shown.delayMs === null ? '' : ` (${(shown.delayMs / 1_000).toFixed(2)} s)`
  stage.tell(`${shown.ok ? '✓' : '✗'} ${shown.step}: ${shown.seen}${delay}`)
  return shown
}
