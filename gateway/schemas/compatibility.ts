import type { EntityShape, Marks, ObjectShape, Property, Shape, TextShape } from './shape.ts'
import { mayBeNull } from './shape.ts'

/**
 * What was promised with the frozen schema and is not kept by the current one, one sentence each. Both sides rely on a
 * version: mappings write by it and consumers read by it. So fields, codes and room may be added, and nothing may be
 * taken away, narrowed, loosened where a consumer relies on it, or hashed differently. What must change otherwise is a
 * new version.
 */
export function findIncompatibilities(frozen: EntityShape, current: EntityShape): readonly string[] {
  const place = `${frozen.entity}.v${frozen.version}`
  if (frozen.entity !== current.entity || frozen.version !== current.version) {
    return [
      `${place} is compared with ${current.entity}.v${current.version}, which promises nothing about it.`,
    ]
  }
  return compareObjects(place, frozen.root, current.root)
}

function compareObjects(place: string, frozen: ObjectShape, current: ObjectShape): readonly string[] {
  const before = new Map(frozen.properties.map((property) => [property.name, property]))
  const after = new Map(current.properties.map((property) => [property.name, property]))
  return [
    ...frozen.properties.flatMap((property) => {
      const at = `${place}/${property.name}`
      const now = after.get(property.name)
      return now === undefined ? [`${at} was removed.`] : compareProperties(at, property, now)
    }),
    ...current.properties
      .filter((property) => !before.has(property.name))
      .flatMap((property) => addedProperty(`${place}/${property.name}`, property)),
    ...compareGroups(place, frozen, current),
  ]
}

function addedProperty(at: string, property: Property): readonly string[] {
  return [
    ...(property.required ? [`${at} is new and required, which no mapping fills yet.`] : []),
    ...(property.identity ? [`${at} is new and part of the identity (x-identity).`] : []),
  ]
}

const MARKS: readonly (readonly [mark: keyof Marks, keyword: string, why: string])[] = [
  ['identity', 'x-identity', 'deletions would say something else'],
  ['volatile', 'x-volatile', 'equal content would hash differently'],
  ['added', 'x-added', 'it would be filled by somebody else'],
]

function compareProperties(at: string, frozen: Property, current: Property): readonly string[] {
  const changed: string[] = []
  for (const [mark, keyword, why] of MARKS) {
    if (frozen[mark] !== current[mark])
      changed.push(`${at} ${current[mark] ? 'got' : 'lost'} ${keyword}: ${why}.`)
  }
  if (frozen.personal && !current.personal) changed.push(`${at} lost pii: it would be shown.`)
  if (!frozen.required && current.required)
    changed.push(`${at} became required, which not every mapping fills.`)
  if (!mayBeNull(frozen) && mayBeNull(current)) {
    changed.push(`${at} may now be null or absent, and consumers rely on it.`)
  }
  return [...changed, ...compareShapes(at, frozen.shape, current.shape)]
}

function compareShapes(at: string, frozen: Shape, current: Shape): readonly string[] {
  const nulls = frozen.nullable && !current.nullable ? [`${at} may no longer be null.`] : []
  return [...nulls, ...compareKinds(at, frozen, current)]
}

function compareKinds(at: string, frozen: Shape, current: Shape): readonly string[] {
  if (frozen.kind === 'object' && current.kind === 'object') return compareObjects(at, frozen, current)
  if (frozen.kind === 'text' && current.kind === 'text') return compareTexts(at, frozen, current)
  if (frozen.kind === 'boolean' && current.kind === 'boolean') return []
  if (frozen.kind === 'map' && current.kind === 'map') {
    return compareValues(`${at}/*`, frozen.values, current.values)
  }
  if (frozen.kind === 'list' && current.kind === 'list') {
    const { order } = frozen
    const orders =
      order === current.order
        ? []
        : [`${at} is sorted by "${current.order}", not by "${order}": equal content would hash differently.`]
    return [...orders, ...compareValues(`${at}/*`, frozen.items, current.items)]
  }
  if (frozen.kind === 'integer' && current.kind === 'integer') {
    const isNarrower = current.min > frozen.min || current.max < frozen.max
    return isNarrower
      ? [`${at} allows ${current.min} to ${current.max}, and allowed ${frozen.min} to ${frozen.max}.`]
      : []
  }
  return [`${at} changed its type from ${frozen.kind} to ${current.kind}.`]
}

/** Items of a list and values of a map are always there: that they may be null is a loosening, too. */
function compareValues(at: string, frozen: Shape, current: Shape): readonly string[] {
  const loosened =
    !frozen.nullable && current.nullable ? [`${at} may now be null, and consumers rely on it.`] : []
  return [...loosened, ...compareShapes(at, frozen, current)]
}

function compareTexts(at: string, frozen: TextShape, current: TextShape): readonly string[] {
  if (frozen.format !== current.format) {
    return [`${at} changed its format from ${frozen.format} to ${current.format}.`]
  }
  const changed: string[] = []
  if (frozen.allowed !== null) {
    const missing = frozen.allowed.filter((code) => current.allowed?.includes(code) === false)
    if (missing.length > 0) changed.push(`${at} no longer allows ${missing.join(', ')}.`)
    if (current.allowed === null) changed.push(`${at} had a closed list of codes, and consumers rely on it.`)
  } else if (current.allowed !== null) {
    changed.push(`${at} was free text and now has a closed list of codes.`)
  }
  if (frozen.pattern !== current.pattern) changed.push(`${at} changed its pattern.`)
  if (current.lengthMin > frozen.lengthMin) {
    changed.push(`${at} needs at least ${current.lengthMin} characters, and needed ${frozen.lengthMin}.`)
  }
  if (current.lengthMax !== null && (frozen.lengthMax === null || current.lengthMax < frozen.lengthMax)) {
    changed.push(
      `${at} takes at most ${current.lengthMax} characters, and took ${frozen.lengthMax ?? 'any number'}.`,
    )
  }
  return changed
}

/** "One of these is there": a longer list promises less, a shorter one demands more. */
function compareGroups(place: string, frozen: ObjectShape, current: ObjectShape): readonly string[] {
  const isWithin = (group: readonly string[], all: readonly string[]) =>
    group.every((name) => all.includes(name))
  return [
    ...frozen.eitherOf
      .filter((group) => !current.eitherOf.some((now) => isWithin(now, group)))
      .map((group) => `${place} no longer promises one of ${group.join(', ')}.`),
    ...current.eitherOf
      .filter((group) => !frozen.eitherOf.some((before) => isWithin(before, group)))
      .map((group) => `${place} now demands one of ${group.join(', ')}, which not every mapping fills.`),
  ]
}
