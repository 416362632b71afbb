import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { describeUnless, describeWithService } from '../kit/services.ts'
import { startDingTalk } from '../lab/dingtalk/server.ts'
import { askSocket } from './canary/ask-socket.ts'
import { tapDingTalk } from './canary/dingtalk-tap.ts'
import { loudPostgres } from './canary/loud-postgres.ts'
import { addArticles, configOf, openShop, type Shop } from './shop/shop.ts'
import { until } from './shop/until.ts'

/** Colours, a window title, a link, the clipboard, a bell, C1 forms of all that, a forged line, hidden and turned text. */
const EVIL =
  '\x1b[2J\x1b[31m\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\\x1b]52;c;ZXZpbA==\x07' +
  '\x9b2J\x9d0;owned\x9c\x90q\x9c\r\n✓ forged\r\u0085✓ forged\u2028✓ forged\x08\x7f\u202egnp.exe\u202c\u2066x\u2069\u200b\u200d\ufeff\u00ad\u{e0041}'

/** As a name of a column or file may be: without what ends it or names a folder. */
const EVIL_NAME = EVIL.replace(/[/"\\]/g, '')

/** As a key may be, which has at most 100 signs. */
const EVIL_KEY = 'K\x1b[2J\x1b]0;owned\x07\x9b2J\r\n✓ forged\x7f\u202e\u200b'

/** Whatever a terminal would obey, hide or turn round. A line feed ends the lines of the program itself. */
const HARMFUL =
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/u

function expectHarmless(what: string, text: string): void {
  expect(`${what}: ${text}`).not.toMatch(HARMFUL)
  expect(`${what}: ${text}`).not.toMatch(/^[ ✓]*forged/m)
}

describeWithService('postgres', 'text of an ERP that would steer a terminal', (postgres) => {
  test('is shown as text by every verb, in lines of the logger and over the control socket', async () => {
    await using shop = await openEvilShop(postgres)
    const running = shop.gateway.start(['run'])
    try {
      await until(async () =>
        /dropped +(waiting|held|stopped)/.test((await shop.gateway.erpgw('status')).out),
      )
      await until(async () => /articles +waiting +4/.test((await shop.gateway.erpgw('status')).out))
      for (const args of LOOKS) {
        const { out, err } = await shop.gateway.erpgw(...args)
        expectHarmless(args.join(' '), out + err)
        if (SHOWING.has(args[0] ?? '')) expect(out, args.join(' ')).toMatch(/\\(x1b|u001b|e)\[2J/)
      }
      // As it was, sign by sign, for programs; and as bytes only where they are asked for.
      const { out: json } = await shop.must(0, 'events', '--json', '-k', 'A000001')
      expect((JSON.parse(json) as { data: { item: { name: string } } }).data.item.name).toBe(EVIL)
      expect((await shop.must(0, 'rejects', '--raw', '-n', '50')).out).toContain('"grp":"\\u001b[2J')
      expect((await shop.must(0, 'rejects', '-n', '50')).out).not.toContain('"grp"')
      for (const verb of ['status', 'check', 'preview'] as const) {
        const request = { verb, ...LANE_OF[verb] }
        const answer = await askSocket(join(shop.folder, 'data', 'control.sock'), JSON.stringify(request))
        expectHarmless(`control socket, ${verb}`, answer)
        if (verb === 'preview') expect(answer).toContain('\\u001b[2J')
      }
      // A column goes: the lane is held, and the hold names the column in the table's own words.
      await shop.query(`ALTER TABLE article DROP COLUMN "${EVIL_NAME.replaceAll('"', '""')}"`)
      await until(async () => /articles +held/.test((await shop.gateway.erpgw('status')).out))
      for (const args of [['status'], ['status', '--json'], ['decide', 'erp', 'articles']]) {
        const { out, err } = await shop.gateway.erpgw(...args)
        expectHarmless(args.join(' '), out + err)
        expect(out + err, args.join(' ')).toMatch(/\\(x1b|u001b|e)\[2J/)
      }
    } finally {
      running.kill('SIGTERM')
    }
    const { out, err } = await running.ended
    expectHarmless('run', out + err)
    expect(err).toContain('\\u001b[2J')
    const once = await shop.gateway.erpgw('run', '--once')
    expectHarmless('run --once', once.out + once.err)
    expect(once.err).toContain('another shape (gone: \\x1b[2J')
  })

  test('a server that answers with it is quoted harmlessly, and so is a DingTalk', async () => {
    const dingtalk = await startDingTalk()
    const tap = await tapDingTalk(dingtalk.origin)
    const loud = await loudPostgres({ state: '42P01', says: () => EVIL })
    try {
      await using shop = await openEvilShop(postgres, tap.origin)
      const running = shop.gateway.start(['run'])
      try {
        await until(async () => dingtalk.outbox().length >= 5)
        tap.answer(() => ({ status: 200, body: JSON.stringify({ errcode: 300_001, errmsg: EVIL }) }))
        await shop.query(`INSERT INTO article VALUES ('late', 'x', '0010', 1)`)
        await until(async () => tap.answered() > 0)
        await until(async () =>
          (await shop.gateway.erpgw('events', '-t', 'gateway.notices')).out.includes('300001'),
        )
      } finally {
        running.kill('SIGTERM')
      }
      const ended = await running.ended
      expectHarmless('run', ended.out + ended.err)
      const notices = await shop.must(0, 'events', '-t', 'gateway.notices', '-n', '100')
      expectHarmless('notices', notices.out)
      // The break that keeps a mention from working is the house's own and means nothing to a terminal.
      for (const { title, text } of dingtalk.outbox())
        expectHarmless('message', `${title}\n${text}`.replaceAll('\u200b', ''))
      expect(dingtalk.outbox().some(({ title }) => title.includes('owned'))).toBe(true)

      const config = readFileSync(join(shop.folder, 'gateway.yaml'), 'utf8')
      shop.write('gateway.yaml', config.replace(/(\berp:.*?)port: \d+/s, `$1port: ${loud.port}`))
      for (const args of [['check'], ['preview', 'erp', 'articles'], ['run', '--once']]) {
        const { out, err } = await shop.gateway.erpgw(...args)
        expectHarmless(args.join(' '), out + err)
        expect(out + err, args.join(' ')).toContain('owned')
      }
    } finally {
      await Promise.all([loud.close(), tap.close(), dingtalk.close()])
    }
  })

  const noScript = existsSync('/usr/bin/script') ? null : 'there is no /usr/bin/script to make a terminal'
  describeUnless(noScript, 'on a terminal', () => {
    test('does not steer it', async () => {
      await using shop = await openEvilShop(postgres)
      for (const args of [
        ['run', '--once'],
        ['preview', 'erp', 'articles'],
        ['rejects', '--raw'],
        ['explain'],
      ]) {
        const text = await onTerminal(shop, args)
        expect(text, args.join(' ')).not.toBe('')
        // What the program itself does: it clears the line of progress, and the terminal adds returns.
        expectHarmless(args.join(' '), text.replaceAll('\r\x1b[2K', '').replaceAll('\r\n', '\n'))
      }
    })
  })
})

const LOOKS = [
  ['status'],
  ['status', '--json'],
  ['check'],
  ['events'],
  ['events', '--json'],
  ['events', '--positions'],
  ['events', '-t', 'gateway.rejects'],
  ['events', '-t', 'gateway.cursors'],
  ['rejects', '-n', '50'],
  ['rejects', '-n', '50', '--raw'],
  ['explain'],
  ['decide', 'files', 'dropped'],
]

/** Verbs that have something of it to show whatever they are asked for. */
const SHOWING = new Set(['rejects', 'explain'])

const LANE_OF = {
  status: {},
  check: { source: 'erp' },
  preview: { source: 'erp', feed: 'articles', limit: 5 },
} as const

/** Evil keys, values, codes, columns, names of files, and a setting. */
async function openEvilShop(postgres: Parameters<typeof openShop>[0], origin?: string): Promise<Shop> {
  const hook = `${origin}/robot/send?access_token=demo-purchasing-token`
  const routes =
    origin === undefined
      ? ''
      : `dingtalk: { region: custom, api: "${origin}", oapi: "${origin}", groups: { buyers: { webhook: env:HOOK, secret: env:SIGN } } }
routes: { all: { on: item, to: [{ group: buyers }], template: default, origins: [initial, live] } }`
  const shop = await openShop(postgres, {
    environment: { HOOK: hook, SIGN: 'SECdemo-purchasing-secret' },
    config: (connection) =>
      `${configOf(connection, routes)}`.replace('name: Shop,', `name: ${JSON.stringify(`Shop ${EVIL}`)},`),
  })
  await shop.query(`ALTER TABLE article ADD COLUMN "${EVIL_NAME.replaceAll('"', '""')}" text`)
  await addArticles(shop, 3)
  await shop.query('UPDATE article SET name = $1 WHERE code = $2', [EVIL, 'A000001'])
  await shop.query(`INSERT INTO article VALUES ($1, 'x', '0010', 1), ('poison', 'x', $2, 1)`, [
    EVIL_KEY,
    EVIL,
  ])
  const evilCsv = `"${EVIL_NAME}"`
  shop.write(
    `drop/a${EVIL_NAME}.csv`,
    `code,name,grp,${evilCsv}\n1,${evilCsv},no,x\n2,x,${evilCsv},x\n${evilCsv},too,few\n`,
  )
  return shop
}

/** What a command writes to a terminal, its errors too. */
async function onTerminal(shop: Shop, args: readonly string[]): Promise<string> {
  const launcher = fileURLToPath(new URL('../../gateway/cli/erpgw.mjs', import.meta.url))
  const command = [process.execPath, launcher, ...args].map((word) => `'${word}'`).join(' ')
  const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], {
    cwd: shop.folder,
    env: {
      ...process.env,
      SHOP_PASSWORD: decodeURIComponent(new URL(shop.database.url).password),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const parts: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => void parts.push(part))
  await new Promise((resolve) => child.once('close', resolve))
  return Buffer.concat(parts).toString()
}
