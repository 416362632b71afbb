import { expect, test } from 'vitest'
import { createLogger } from '../../../gateway/node/logger.ts'
import { createRedactor } from '../../../gateway/redactor.ts'

const EVIL = '\x1b[31m\x9b2J\u202egnp'

function linesOf(
  isTerminal: boolean,
  log: (logger: ReturnType<typeof createLogger>) => void,
): readonly string[] {
  const lines: string[] = []
  const now = () => Date.UTC(2026, 10, 24, 8, 30, 0)
  const redactor = createRedactor(['hunter2secret'])
  log(createLogger({ write: (line) => void lines.push(line), isTerminal, redactor, now }))
  return lines
}

test('writes one JSON object a line where nobody sits, one line of text where somebody does', () => {
  const say = (logger: ReturnType<typeof createLogger>) => {
    logger.info('It runs.', { source: 'k3' })
    logger.warn('It waits.')
    logger.error('It stopped.', { reason: 'two\nlines', stack: 'Error\n    at x' })
  }
  const json = linesOf(false, say).map((line) => JSON.parse(line))
  expect(json).toMatchObject([
    { level: 'info', message: 'It runs.', source: 'k3' },
    { level: 'warn', message: 'It waits.' },
    { level: 'error', message: 'It stopped.', reason: 'two\nlines' },
  ])
  expect(linesOf(true, say).map((line) => line.replace('\r\x1b[2K', ''))).toEqual([
    '08:30:00   It runs. (source=k3)\n',
    '08:30:00 ! It waits.\n',
    '08:30:00 ✗ It stopped. (reason=two\\nlines)\n',
  ])
})

test('lets no secret out, in the message or in a field, however deep', () => {
  for (const isTerminal of [true, false]) {
    const text = linesOf(isTerminal, (logger) => {
      logger.error('password hunter2secret was refused', {
        url: 'postgres://u:hunter2secret@h',
        deep: [{ a: 'hunter2secret' }],
      })
    }).join('')
    expect(text).not.toContain('hunter2secret')
    expect(text.match(/\[secret\]/g)).toHaveLength(3)
  }
})

test('lets nothing through that acts on a terminal', () => {
  for (const isTerminal of [true, false]) {
    const [line = ''] = linesOf(isTerminal, (logger) => logger.warn(EVIL, { reason: EVIL }))
    expect(line.replace('\r\x1b[2K', '').replace(/\n$/, '')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/)
  }
})
