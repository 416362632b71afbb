import { describe, expect, test } from 'vitest'
import { good, loadWell, mistakesOf } from './world.ts'

const TABLE = 'date,kind,name\n2026-01-01,holiday,元旦\n2026-01-04,workday,调休\n'

/** The good config with calendars, and settings of its one source. */
function withCalendars(calendars: string, source = ''): string {
  return good(
    ['sources:\n', `calendars:\n${calendars}\nsources:\n`],
    ['    company: 001\n', `    company: 001\n${source}`],
  )
}

function wishFor(yaml: string, more: Readonly<Record<string, string>> = {}) {
  return {
    files: { '/etc/erpgw/gateway.yaml': yaml, '/schemas/calendars/CN-2026.csv': TABLE, ...more },
  }
}

function mistakes(yaml: string, more?: Readonly<Record<string, string>>): readonly string[] {
  return mistakesOf(yaml, wishFor(yaml, more))
}

const CHINA = '  china: { holidays: CN, zone: Asia/Shanghai }'
const MONTH_END =
  '  month-end: { extends: china, freeze: { from: "last-workday-1 18:00", to: "first-workday 12:00" } }'

describe('calendars', () => {
  test('are inherited, and go with their days to the sources that name them', () => {
    const yaml = withCalendars(
      `${MONTH_END}\n${CHINA}`,
      '    calendar: month-end\n    blackout: ["22:00-06:00", "sat-sun 00:00-24:00"]\n',
    )
    const { closures } = loadWell(yaml, wishFor(yaml)).config.sources['k3'] ?? {}
    expect(closures).toEqual({
      calendar: {
        name: 'month-end',
        zone: 'Asia/Shanghai',
        weekend: [0, 6],
        holidays: {
          source: '/schemas/calendars/CN-YYYY.csv',
          years: [2026],
          days: { '2026-01-01': 'holiday', '2026-01-04': 'workday' },
        },
        freeze: { from: { workdays: -1, minute: 1080 }, to: { workdays: 0, minute: 720 } },
      },
      blackout: [
        { days: [0, 1, 2, 3, 4, 5, 6], from: 1320, to: 360 },
        { days: [6, 0], from: 0, to: 1440 },
      ],
    })
  })

  test.for<readonly [string, string]>([
    ['days.csv', `# of the plant\n${TABLE}`],
    [
      'days.yaml',
      '- { date: 2026-01-01, kind: holiday, name: 元旦 }\n- { date: 2026-01-04, kind: workday }\n',
    ],
  ])('take the days of a file of the customer, %s', ([name, text]) => {
    const yaml = withCalendars(
      `  own: { weekend: [sun], holidays: ./${name}, zone: UTC }`,
      '    calendar: own\n',
    )
    const { config } = loadWell(yaml, wishFor(yaml, { [`/etc/erpgw/${name}`]: text }))
    expect(config.sources['k3']?.closures?.calendar).toMatchObject({
      weekend: [0],
      holidays: { source: `/etc/erpgw/${name}`, years: [2026] },
    })
  })

  test('are absent from a source that names none', () => {
    const yaml = withCalendars(CHINA)
    expect(loadWell(yaml, wishFor(yaml)).config.sources['k3']?.closures).toBeUndefined()
  })

  test.for([
    [
      CHINA,
      '    calendar: chian\n',
      /gateway\.yaml:\d+:15 sources\.k3\.calendar: there is no calendar "chian" \(did you mean "china"/,
    ],
    [
      '  a: { extends: b }\n  b: { extends: a }',
      '',
      /calendars\.\w\.extends: goes round in a circle: a → b → a/,
    ],
    ['  a: { extends: b }', '', /calendars\.a\.extends: there is no calendar "b"/],
    ['  a: { holidays: CN }', '', /calendars\.a\.zone: is missing/],
    [
      '  a: { holidays: CM, zone: UTC }',
      '',
      /calendars\.a\.holidays: there is no table "CM" \(did you mean "CN"/,
    ],
    [
      '  a: { holidays: ./no.csv, zone: UTC }',
      '',
      /there is no file \/etc\/erpgw\/no\.csv|there is no file no\.csv/,
    ],
    ['  a: { weekend: [sat, sunday], zone: UTC }', '', /calendars\.a\.weekend/],
    [
      '  a: { zone: UTC, freeze: { from: "first-workday 18:00", to: "first-workday 12:00" } }',
      '',
      /freeze\.from: must be like "last-workday 18:00"/,
    ],
    [
      '  a: { zone: UTC, freeze: { from: "last-workday 25:00", to: "first-workday 12:00" } }',
      '',
      /freeze\.from: must be like/,
    ],
    [CHINA, '    blackout: ["22:00-22:00"]\n', /blackout\[0\]: must have a beginning before its end/],
    [CHINA, '    blackout: [nights]\n', /blackout\[0\]: must be like 22:00-06:00/],
    [CHINA, '    blackout: ["00:00-24:00"]\n', /blackout: must leave some time of the week/],
  ] as const)(
    'with a mistake are refused with its place and what to do: %s%s',
    ([calendars, source, said]) => {
      expect(mistakes(withCalendars(calendars, source)).join('\n')).toMatch(said)
    },
  )

  test('with a mistake in a table are refused with its line', () => {
    const own = '  own: { holidays: ./days.csv, zone: UTC }'
    const lines =
      'date,kind,name\n2026-02-30,holiday,x\n2026-01-01,feast,x\n2026-01-02,holiday,x\n2026-01-02,holiday,x\n'
    const said = mistakes(withCalendars(own), { '/etc/erpgw/days.csv': lines })
    expect(said).toEqual([
      expect.stringMatching(/^days\.csv:2:1 "2026-02-30" is no date/),
      expect.stringMatching(
        /^days\.csv:3:1 the kind of 2026-01-01 is "feast"; it must be holiday or workday/,
      ),
      expect.stringMatching(/^days\.csv:5:1 2026-01-02 stands here twice/),
    ])
    expect(mistakes(withCalendars(own), { '/etc/erpgw/days.csv': 'x\n' })[0]).toContain(
      'heading date,kind,name',
    )
    const yaml = withCalendars('  own: { holidays: ./days.yaml, zone: UTC }')
    const listed = '- { date: 2026-01-01, kind: holiday }\n\n- { date: 2026-13-01, kind: holiday }\n'
    expect(mistakes(yaml, { '/etc/erpgw/days.yaml': listed })).toEqual([
      expect.stringMatching(/^days\.yaml:3:1 "2026-13-01" is no date/),
    ])
  })
})
