import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { installation } from '../kit/gateway-process.ts'
import { readRecords } from '../kit/log-reading.ts'
import { describeWithService } from '../kit/services.ts'
import { addArticles, configOf, MAPPING, openShop } from './shop/shop.ts'
import { until } from './shop/until.ts'

describe('the command line in an empty folder', () => {
  test('says what to do next at every step, and never shows a stack', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-new-'))
    const gateway = installation(folder, {})
    try {
      const said = async (code: number, ...args: readonly string[]) => {
        const ended = await gateway.erpgw(...args)
        expect(ended.code, `erpgw ${args.join(' ')}\n${ended.err}`).toBe(code)
        expect(ended.out + ended.err).not.toMatch(/^ {4}at |node:internal/m)
        return ended.out + ended.err
      }
      expect(await said(2, 'run')).toContain('erpgw init')
      expect(await said(0, 'init')).toContain('erpgw check')
      expect(await said(2, 'init')).toContain('left as it is')
      expect(readdirSync(folder).sort()).toEqual(['config.schema.json', 'gateway.yaml'])
      expect(await said(2, 'check')).toMatch(/gateway\.yaml:\d+:\d+ .*the environment has no ERP_DB_PASSWORD/)
      expect(await said(2, 'statsu')).toContain('Did you mean status?')
      expect(await said(2, 'preview', 'erp')).toContain("missing required argument 'feed'")
      expect(await said(2, 'events', '-n', 'many')).toContain('a number from 1 to 9999')
      expect(await said(1, 'events')).toContain('erpgw run')
      expect(await said(3, 'status')).toContain('erpgw run')
      expect(await said(2, 'pause', 'epr')).toContain('did you mean "erp"')
      expect(await said(0, 'explain')).toContain('env:ERP_DB_PASSWORD')
      expect(await said(2, 'explain', '-c', 'nope.yaml')).toContain('There is no config at')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('refuses a config of 2 MB, a bomb of aliases and a secret that others can read, at once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-hostile-'))
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
    for (const [n, name] of [...'bcdefghij'].entries()) {
      const before = 'abcdefghij'[n]
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`)
    }
    const gateway = installation(folder, {
      'large.yaml': `# ${'x'.repeat(2_000_000)}\n`,
      'bomb.yaml': bomb.join('\n'),
      'secret.yaml': configOf(
        `{ engine: postgres, host: 127.0.0.1, port: 1, database: x, user: x, password: "file:${folder}/password" }`,
      ),
      password: 'canary-of-the-file',
      'mappings/shop/item.yaml': '',
    })
    try {
      chmodSync(join(folder, 'password'), 0o644)
      for (const [config, reason] of [
        ['large.yaml', /1 ?MB|larger|large/],
        ['bomb.yaml', /alias/i],
        ['secret.yaml', /chmod 600/],
      ] as const) {
        const started = performance.now()
        const { code, err } = await gateway.erpgw('check', '-c', config)
        expect(code, err).toBe(2)
        expect(err).toMatch(reason)
        expect(err).not.toContain('canary')
        expect(performance.now() - started).toBeLessThan(15_000)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describeWithService('postgres', 'the command line beside a running gateway', (postgres) => {
  test('checks, previews, shows and steers; each verb also works where no gateway runs', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 30)
    const checked = await shop.must(0, 'check')
    expect(checked.out).toContain('✓ source erp can be read')
    expect(checked.out).toContain('articles: shop/item, strategy snapshot')
    const previewed = await shop.must(0, 'preview', 'erp', 'articles', '-n', '2')
    expect(previewed.out).toMatch(/2 records as erp\.item\.v1; nothing was moved/)
    expect(previewed.out).toMatch(/^price +numeric\(12,2\) +1\.50$/m)
    expect(previewed.out).toContain('The mapping reads nothing from: price, updated_at')
    expect(readdirSync(shop.folder)).not.toContain('data')
    expect((await shop.must(2, 'preview', 'erp', 'artikles')).err).toContain('did you mean "articles"')

    await shop.must(0, 'pause', 'erp', 'articles', '--reason', 'before the first run')
    expect((await shop.runOnce(1)).err).toContain('erp articles: paused')
    await shop.must(0, 'resume', 'erp')

    const running = shop.gateway.start(['run'])
    const follower = shop.gateway.start(['events', '--follow', '--json', '-n', '100'])
    try {
      await until(
        async () => (await shop.gateway.erpgw('status')).out.match(/articles +waiting +30 /) !== null,
      )
      await shop.must(0, 'pause', 'erp', 'articles')
      expect((await shop.must(0, 'status')).out).toMatch(/articles +paused/)
      await shop.must(0, 'resume', 'erp', 'articles')
      await shop.must(0, 'resync', 'erp', 'articles', '--reason', 'a test')
      await shop.must(0, 'rejects')
      expect((await shop.must(1, 'decide', 'erp', 'articles', '--allow', '--reason', 'x')).err).toContain(
        'not held',
      )
      await shop.query(`UPDATE article SET name = 'Changed' WHERE code = 'A000001'`)
      await until(async () => (await shop.must(0, 'events', '-k', 'A000001')).out.includes('changed'))
      expect((await shop.must(0, 'preview', 'erp', 'articles', '-n', '1')).out).toContain('1 record as')
    } finally {
      follower.kill('SIGINT')
      running.kill('SIGTERM')
    }
    const followed = await follower.ended
    expect(followed.code, followed.err).toBe(0)
    // Whatever is written meanwhile is shown once: at the start, or as it comes.
    const ids = followed.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id)
    expect(ids).toHaveLength(31)
    expect(new Set(ids).size).toBe(31)
    const ended = await running.ended
    expect(ended.code, ended.err).toBe(0)
    for (const line of ended.err.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('message')
  })

  test('a mapping that reads a column which the table lacks fails check and preview, with line and the nearest column', async () => {
    await using shop = await openShop(postgres)
    shop.write('mappings/shop/item.yaml', MAPPING.replace('name: name', 'name: nmae'))
    for (const verb of [['check'], ['preview', 'erp', 'articles']]) {
      const { out } = await shop.must(1, ...verb)
      expect(out).toMatch(
        /✗ feed erp\.articles: .*\n.*item\.yaml:7:\d+ fields\.item\.name: .*no field "nmae" \(did you mean "name"\?\)/,
      )
      // No file has come yet, so nobody knows its columns.
      expect(out).not.toContain('✗ feed files.dropped')
    }
    shop.write('drop/a.csv', 'code,name,grp\n1,Bolt,no\n')
    expect((await shop.must(1, 'check')).out).toContain('✗ feed files.dropped')
    shop.write('mappings/shop/item.yaml', MAPPING)
    await shop.must(0, 'check')
  })

  test('an unreachable server and a wrong password are said in a sentence, by check, preview and run', async () => {
    await using shop = await openShop(postgres)
    const password = shop.gateway.start(['check'], { SHOP_PASSWORD: 'not-the-password' })
    const wrong = await password.ended
    // A server that trusts loopback asks for none.
    if (wrong.code !== 0) expect(wrong.out).toMatch(/✗ source erp: .*password/)
    expect(wrong.out + wrong.err).not.toContain('not-the-password')
    const config = readFileSync(join(shop.folder, 'gateway.yaml'), 'utf8')
    shop.write('gateway.yaml', config.replace(/port: \d+/, 'port: 1'))
    expect((await shop.must(1, 'check')).out).toMatch(/✗ source erp: .*127\.0\.0\.1:1/)
    expect((await shop.must(1, 'preview', 'erp', 'articles')).err).toContain('127.0.0.1:1')
    // A password that stands in a driver's message is taken out before anybody sees it.
    const running = shop.gateway.start(['run', '--once'], { SHOP_PASSWORD: 'ECONNREFUSED' })
    const ended = await running.ended
    expect(ended.code).toBe(1)
    for (const text of [ended.out, ended.err]) {
      expect(text).not.toContain('ECONNREFUSED')
      expect(text).toContain('No connection to 127.0.0.1:1')
    }
  })

  test('everything that a gateway writes is 0600 or 0700 under umask 000, while it runs and when it has ended', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 3)
    const given = filesBelow(shop.folder).map(({ path }) => path)
    const written = () => filesBelow(shop.folder).filter(({ path }) => !given.includes(path))
    const data = join(shop.folder, 'data')
    // The umask of a process is inherited by those it starts.
    const umask = process.umask(0)
    const running = shop.gateway.start(['run'])
    const making = shop.gateway.start(['init', 'made.yaml'])
    process.umask(umask)
    try {
      shop.write('drop/articles.csv', 'code,name,grp\nB1,Dropped,0010\n')
      const found = new Set<string>()
      const look = () => {
        for (const { path, mode, isFolder } of written()) {
          // What a person dropped keeps the mode that he gave it, wherever it is put.
          if (path.endsWith('.csv')) continue
          expect(`${path} ${mode.toString(8)}`).toBe(`${path} ${isFolder ? '700' : '600'}`)
          found.add(path.slice(shop.folder.length + 1))
        }
      }
      await until(async () => {
        look()
        return (await readRecords(data, 'erp.').catch(() => [])).length === 4
      })
      await making.ended
      look()
      running.kill('SIGTERM')
      await running.ended
      look()
      expect([...found]).toEqual(expect.arrayContaining(WRITTEN))
    } finally {
      running.kill('SIGKILL')
    }
  })
})

const WRITTEN = [
  'config.schema.json',
  'made.yaml',
  'data',
  'data/control.sock',
  ...['', '-shm', '-wal'].map((suffix) => `data/log/log.sqlite${suffix}`),
  'data/lock',
  'data/holder.json',
  'data/projections/erp.articles',
  'data/projections/erp.articles/manifest.json',
]

type Found = Readonly<{ path: string; mode: number; isFolder: boolean }>

function filesBelow(folder: string): readonly Found[] {
  const found = (path: string): readonly Found[] => {
    // It may be gone again.
    const status = statSync(path, { throwIfNoEntry: false })
    if (status === undefined) return []
    return [{ path, mode: status.mode & 0o777, isFolder: status.isDirectory() }]
  }
  const inside = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return [folder, ...inside.map((name) => join(folder, name))].flatMap(found)
}
