import { type Finding, finding, lineAt, memberName, rootName, type Source, type Tree } from './source.ts'

/** What may stand in no file of code: promises for later, and ways around the compiler. */
export function checkWording(source: Source): readonly Finding[] {
  return [...checkComments(source), ...checkCasts(source)]
}

function checkComments(source: Source): readonly Finding[] {
  return source.comments.flatMap((comment) => {
    const later = /\b(TODO|FIXME|XXX|HACK)\b/.exec(comment.value)
    if (later) {
      return [
        finding(source, comment.start, `says ${later[0]}; do it, file an issue, or note it in DECISIONS.md`),
      ]
    }
    const silenced = /@ts-(ignore|nocheck)/.exec(comment.value)
    return silenced
      ? [finding(source, comment.start, `silences the compiler with ${silenced[0]}; give it the right type`)]
      : []
  })
}

function checkCasts(source: Source): readonly Finding[] {
  return source.nodes.flatMap(({ node }) =>
    node.type === 'TSAsExpression' && node.typeAnnotation.type === 'TSAnyKeyword'
      ? [finding(source, node.start, 'casts to any; parse the value, or say unknown')]
      : [],
  )
}

/** Tests that run alone, or not at all without saying why. */
export function checkTestSwitches(source: Source): readonly Finding[] {
  if (!source.path.startsWith('test/')) return []
  return source.nodes.flatMap(({ node }) => {
    if (node.type !== 'CallExpression') return []
    const name = memberName(node.callee)
    const root = rootName(node.callee) ?? ''
    if (name === 'only' && ['describe', 'test', 'it', 'suite'].includes(root)) {
      return [finding(source, node.start, `calls ${root}.only, which silences every other test; remove it`)]
    }
    if (name === null || !['skip', 'skipIf', 'runIf', 'todo'].includes(name)) return []
    const [title] = node.arguments
    const named = title && source.text.slice(title.start, title.end).includes('[skipped: ')
    return named
      ? []
      : [
          finding(
            source,
            node.start,
            `calls ${root}.${name} without a reason; use describeUnless or describeWithService of test/kit/services.ts`,
          ),
        ]
  })
}

const TEXT_FILE = /(^|\/)(Dockerfile|run|\.[a-z]+|[^/]+\.(ts|mjs|json|ya?ml|md|sh|html|css|sql|toml))$/
const MACHINE_PATH = /(?<![\w.$}~:/-])\/(?:home|root|Users|work|farm)\/[\w.-]+|\b[A-Z]:\\Users\\/

/** What may stand in no file at all: paths of somebody's machine, and addresses of a registry in the lock file. */
export function checkTexts(tree: Tree): readonly Finding[] {
  const findings: Finding[] = []
  for (const [path, text] of tree) {
    if (!TEXT_FILE.test(path)) continue
    const machine = MACHINE_PATH.exec(text)
    if (machine) {
      const message = `names ${machine[0]}, a path of one machine; use a relative one, or a setting`
      findings.push({ path, line: lineAt(text, machine.index), message })
    }
    if (path !== 'package-lock.json') continue
    const resolved = /"resolved": "http/.exec(text)
    if (resolved) {
      const message =
        'names a registry; set omit-lockfile-registry-resolved=true in your .npmrc and run npm i --package-lock-only'
      findings.push({ path, line: lineAt(text, resolved.index), message })
    }
  }
  return findings
}
