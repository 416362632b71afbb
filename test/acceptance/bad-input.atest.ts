import { expect, test } from 'vitest'
import { describeWithService } from '../kit/services.ts'
import { addArticles, configOf, MAPPING, openShop, said } from './shop/shop.ts'
import { until } from './shop/until.ts'

describeWithService('postgres', 'bad input', (postgres) => {
  test('five mistakes in a config are five mistakes, each with its line, and exit code 2', async () => {
    await using shop = await openShop(postgres, {
      config: (connection) =>
        configOf(connection)
          .replace('currency: HKD', 'currency: HKDD')
          .replace('poll: { every: 200ms }', 'poll: { every: soon }')
          .replace('mapping: shop/item', 'mapping: shop/itme')
          .replace('strategy: snapshot', 'strategy: snapshoot')
          .replace('content: full', 'contents: full\n        content: full'),
    })
    for (const verb of [['check'], ['run'], ['explain'], ['preview', 'erp', 'articles']]) {
      const { err } = await shop.must(2, ...verb)
      expect(err).toContain('The config has 5 mistakes:')
      const places = [...err.matchAll(/gateway\.yaml:(\d+):\d+ (\S+): /g)].map((found) => found[2])
      expect(places).toEqual([
        'companies.001.currency',
        'sources.erp.poll.every',
        'sources.erp.feeds.articles.mapping',
        'sources.erp.feeds.articles.cursor.strategy',
        'sources.files.feeds.dropped.contents',
      ])
      expect(err).toContain('did you mean "shop/item"')
      expect(err).not.toContain('    at ')
    }
  })

  test('mistakes in a mapping are told with file and line before anything is opened, and so is an example that comes out otherwise', async () => {
    await using shop = await openShop(postgres)
    shop.write(
      'mappings/shop/item.yaml',
      MAPPING.replace('as: code, name: name', 'as: cod').replace('group: { from', 'groop: { from'),
    )
    for (const verb of [['run'], ['check'], ['preview', 'erp', 'articles']]) {
      const { err } = await shop.must(2, ...verb)
      expect(err).toMatch(/item\.yaml:7:\d+ fields\.item\.as: .*did you mean "code"/)
      expect(err).toMatch(/item\.yaml:8:\d+ .*groop.*did you mean "group"/)
    }
    shop.write(
      'mappings/shop/item.yaml',
      `${MAPPING}tests:
  - name: a bolt
    source: { system: shop, zone: UTC }
    record: { code: 7, name: Bolt, grp: 0010 }
    event: { company: example, subject: 7, data: { item: { code: 7, raw: 7, name: Nut } } }
`,
    )
    const { out } = await shop.must(1, 'check')
    expect(out).toContain('✗ mapping shop/item: 1 of 1 examples come out otherwise')
    expect(out).toMatch(/a bolt:\n.*Nut.*Bolt/)
  })

  test('codes that look like numbers or answers stay exact from table and file, through a code table, to the event', async () => {
    await using shop = await openShop(postgres)
    const groups = ['0010', '1.10', '1E3', 'no', 'yes', '0x1F']
    for (const [index, group] of groups.entries()) {
      await shop.query('INSERT INTO article VALUES ($1, $2, $3, 1)', [`0${index}`, '00', group])
    }
    shop.write(
      'drop/a.csv',
      ['code,name,grp', ...groups.map((group, n) => `0${n},00,${group}`), ''].join('\n'),
    )
    await shop.runOnce()
    for (const source of ['/erp/shop/001', '/erp/shop-files/001']) {
      const events = (await shop.events()).filter((event) => event.source === source)
      const groupOf = new Map(events.map((event) => [event.subject, said(event)]))
      expect([...groupOf.entries()].sort()).toEqual(
        ['0010', '1.10', '1E3', 'no', '010', '1e3'].map((group, n) => [`0${n}`, { name: '00', group }]),
      )
    }
  })

  test('a poison row lands in the rejects with its bytes and the reason, and its neighbours flow [P5 F27]', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 200)
    await shop.query(`UPDATE article SET grp = E'\\x1b[31mZZ' WHERE code = 'A000100'`)
    const rows = Array.from({ length: 200 }, (_, n) => `F${n},Name ${n},${n === 50 ? 'ZZ' : '0010'}`)
    rows.splice(100, 1, 'F100,too,many,values')
    shop.write('drop/a.csv', Buffer.from(['code,name,grp', ...rows, ''].join('\n')))
    await shop.runOnce()

    const events = await shop.events()
    expect(events.filter(({ source }) => source === '/erp/shop/001')).toHaveLength(199)
    expect(events.filter(({ source }) => source === '/erp/shop-files/001')).toHaveLength(198)
    const rejects = await shop.rejects()
    expect(rejects.map(({ lane, code }) => `${lane} ${code}`).sort()).toEqual([
      'erp.articles CODE_UNKNOWN',
      'files.dropped CODE_UNKNOWN',
      'files.dropped UNREADABLE',
    ])
    const [mapped] = rejects.filter(({ lane }) => lane === 'erp.articles')
    expect(JSON.parse(Buffer.from(mapped?.raw ?? '', 'base64').toString())).toMatchObject({
      code: 'A000100',
      grp: '\x1b[31mZZ',
    })
    expect(mapped).toMatchObject({
      sourceKey: 'A000100',
      rule: expect.stringMatching(/^shop\/item\.yaml:\d+$/),
    })
    const [unreadable] = rejects.filter(({ code }) => code === 'UNREADABLE')
    expect(Buffer.from(unreadable?.raw ?? '', 'base64').toString()).toContain('F100,too,many,values')
    expect(unreadable?.where).toContain('a.csv')

    // Written once, however often it is read again, and harmless wherever a person looks.
    await shop.runOnce()
    expect(await shop.rejects()).toHaveLength(3)
    for (const args of [['rejects'], ['rejects', '--raw'], ['events', '-t', 'gateway.rejects']]) {
      const { out } = await shop.must(0, ...args)
      expect(out).not.toContain('\x1b')
      expect(out).toContain(args[1] === '-t' ? 'gateway.rejects' : 'ZZ')
    }
  })

  test('a reject is not tried with the mapping that a running gateway still has, and that is said', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 30)
    await shop.query(`UPDATE article SET grp = 'ZZ' WHERE code = 'A000002'`)
    const first = shop.gateway.start(['run'])
    try {
      await until(
        async () => (await shop.gateway.erpgw('status')).out.match(/articles +waiting +29 /) !== null,
      )
      expect((await shop.must(0, 'rejects', 'retry', 'erp', 'articles')).out).toContain('1 still rejected')
      shop.write('mappings/shop/item.yaml', MAPPING.replace('no: no', 'no: no, ZZ: ZZ'))
      const { err } = await shop.must(1, 'rejects', 'retry', 'erp', 'articles')
      expect(err).toContain('still has the mapping shop/item')
      expect(err).toContain('restart it first')
    } finally {
      first.kill('SIGTERM')
    }
    await first.ended
    const second = shop.gateway.start(['run'])
    try {
      await until(
        async () => (await shop.gateway.erpgw('status')).out.match(/articles +waiting +(29|30) /) !== null,
      )
      await shop.must(0, 'rejects', 'retry', 'erp', 'articles')
      expect(await shop.events()).toHaveLength(30)
    } finally {
      second.kill('SIGTERM')
    }
    await second.ended
  })

  test('two in a hundred bad rows stop the lane; after the mapping is mended they are published', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 1_000)
    await shop.query(`UPDATE article SET grp = 'ZZ' WHERE code <= 'A000020'`)
    const { err } = await shop.runOnce(1)
    expect(err).toContain('20 of 1000 records of this run could not be understood')
    expect(await shop.events()).toEqual([])

    const shown = await shop.must(0, 'decide', 'erp', 'articles')
    expect(shown.out).toContain('REJECTS_TOO_MANY')
    expect(shown.out).toContain('A000001')
    await shop.must(2, 'decide', 'erp', 'articles', '--allow')
    await shop.must(0, 'decide', 'erp', 'articles', '--allow', '--reason', 'known, and mended today')
    await shop.runOnce()
    expect(await shop.events()).toHaveLength(980)
    expect(await shop.rejects()).toHaveLength(20)

    shop.write('mappings/shop/item.yaml', MAPPING.replace('no: no', 'no: no, ZZ: ZZ'))
    const retried = await shop.must(0, 'rejects', 'retry', 'erp', 'articles')
    expect(retried.out).toContain('20 tried, 20 published, 0 still rejected')
    expect(new Set((await shop.events()).map(({ subject }) => subject)).size).toBe(1_000)
    await shop.runOnce()
    expect(await shop.events()).toHaveLength(1_000)
  })
})
