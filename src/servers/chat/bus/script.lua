-- All that a server changes at the broker: EVALSHA SHA 0 OP SERVER Q ARGUMENTS...
--
-- The servers of one database share these keys. A name F is folded, so two names that are the same to people are one.
--
--   switchboard:epoch            random; a broker that has lost its data gets another one
--   switchboard:servers          set of servers
--   switchboard:lease:SERVER     exists while the server renews it; after that, its members may be removed
--   switchboard:seq:SERVER       the last Q of the server, for an hour after it
--   switchboard:refused:SERVER   hash: Q -> its refusal, for those whose answer may not have arrived
--   switchboard:nicks            hash: nickname F -> SERVER ROOM-F CONNECTION NICKNAME
--   switchboard:nicks-of:SERVER  hash: CONNECTION -> its one nickname F
--   switchboard:rooms            hash: room F -> its name as shown, while it has members or is a first room
--   switchboard:firsts           set of rooms F in which members of some server begin
--   switchboard:members:ROOM-F   hash: nickname F -> SERVER CONNECTION NICKNAME
--   switchboard:room:ROOM-F      stream of entries
--   switchboard:count:ROOM-F     n of its last entry
--   switchboard:gone:SERVER      exists if members of the server were removed since its last beat
--   switchboard:wake:SERVER      stream that ends the wait of the reading link of a server
--   switchboard:tell:SERVER      channel of private messages for its members
--
-- An entry: n counts the entries of the room; s and q are the server and its Q (0: appended beside the change that was
-- asked for), c the connection of the member; k is the kind, and a and b are its texts.
--
-- Q increases with each ask that changes something, and is 0 for the others. An ask that is sent again changes nothing
-- and has the same answer. An ask of a member first checks the owner of its nickname. If there is none, because its
-- server was taken for dead or the broker has lost its data, the member is entered again. If it is another one, the
-- answer is "taken".
--
-- Answers: "ok", or "taken", "rooms" (too many), "unknown" (no such member). Others are described at their op.

-- Before Redis 7, a script that asks for the time must replicate what it has changed, not itself.
if redis.replicate_commands then
  redis.replicate_commands()
end

local call = redis.call
local op, server, q = ARGV[1], ARGV[2], tonumber(ARGV[3])

local LEASE_MS = 3000
local MAX_ENTRIES = 10000
-- A room without members is kept so long for the servers that have not read its last entries.
local KEPT_SECONDS = 60
local SEQ_SECONDS = 3600
local GONE_SECONDS = 30 * 24 * 3600
-- The nicknames in one entry, and those that one beat removes: the broker serves nothing else meanwhile.
local GONE_IN_ENTRY = 100
local GONE_IN_BEAT = 5000
local ALL = 2 ^ 31
local ACCEPTED_ENOUGH = 3

local function key(kind, name)
  return 'switchboard:' .. kind .. (name and ':' .. name or '')
end

local function append(room, by, number, connection, kind, a, b)
  local n = call('INCR', key('count', room))
  call('XADD', key('room', room), 'MAXLEN', '~', MAX_ENTRIES, '*', 'n', n, 's', by, 'q', number, 'c', connection,
    'k', kind, 'a', a, 'b', b)
end

local seen = 0
if q > 0 then
  seen = tonumber(call('GET', key('seq', server)) or 0)
  local last = op == 'lines' and q + (#ARGV - 3) / 7 - 1 or q
  if last > seen then
    -- First, since a broker that is out of memory refuses only the first change of a script.
    call('SET', key('seq', server), last, 'EX', SEQ_SECONDS)
  end
end

-- OP MEMBER TEXT, and so on: lines of members, with the numbers from Q on. Answers their answers, or "ok" for all.
--
-- New lines of the owners of their nicknames, which nearly all are, come before all that they do not need: each call
-- runs the script from its beginning, and a function that is defined takes time.
local at, nicks = 4, key('nicks')
if op == 'lines' then
  while at <= #ARGV and q > seen do
    local nick, room, connection = ARGV[at + 1], ARGV[at + 4], ARGV[at + 5]
    if call('HGET', nicks, ARGV[at + 2]) ~= server .. ' ' .. room .. ' ' .. connection .. ' ' .. nick then
      break
    end
    append(room, server, q, connection, ARGV[at], nick, ARGV[at + 6])
    at, q = at + 7, q + 1
  end
  if at > #ARGV then
    return 'ok'
  end
end

local function owner(folded)
  local found = call('HGET', key('nicks'), folded)
  if not found then
    return nil
  end
  local of, room, connection, nick = string.match(found, '^(%S+) (%S+) (%S+) (.+)$')
  return { server = of, room = room, connection = connection, nick = nick }
end

-- A member is: nick, folded, room, room_folded, connection. If its connection has a nickname, finds its name and room
-- as they are here: the server may not have read yet that they have changed. Returns whether it is there.
local function find(member)
  local folded = call('HGET', key('nicks-of', server), member.connection)
  local found = folded and owner(folded)
  -- A broker that evicts keys may know a part only. An error would stop the server for ever: it asks again.
  if not found or found.server ~= server or found.connection ~= member.connection then
    return false
  end
  member.nick, member.folded, member.room_folded = found.nick, folded, found.room
  return true
end

local function seat(member)
  local room = member.room_folded
  call('HSET', key('nicks'), member.folded, table.concat({ server, room, member.connection, member.nick }, ' '))
  call('HSET', key('members', room), member.folded, table.concat({ server, member.connection, member.nick }, ' '))
  call('HSET', key('nicks-of', server), member.connection, member.folded)
  -- After the broker has lost its data, the next beat may never come.
  call('SADD', key('servers'), server)
  if call('HSETNX', key('rooms'), room, member.room) == 1 then
    call('PERSIST', key('room', room))
    call('PERSIST', key('count', room))
  end
end

-- Ends a room without members, unless it is a first room.
local function sweep(room)
  if call('EXISTS', key('members', room)) == 0 and call('SISMEMBER', key('firsts'), room) == 0 then
    call('HDEL', key('rooms'), room)
    call('EXPIRE', key('room', room), KEPT_SECONDS)
    call('EXPIRE', key('count', room), KEPT_SECONDS)
  end
end

-- The entry of the leave follows, and then the sweep, so that both keys of the room expire.
local function unseat(folded, of, room, connection)
  call('HDEL', key('nicks'), folded)
  call('HDEL', key('members', room), folded)
  call('HDEL', key('nicks-of', of), connection)
end

-- Enters a member again that is not there. Returns a refusal if its nickname belongs to another one.
local function fence(member)
  if find(member) then
    return nil
  end
  if owner(member.folded) then
    return 'taken'
  end
  seat(member)
  append(member.room_folded, server, 0, member.connection, 'join', member.nick, '')
end

-- Whether a further room would be over the limit. A room that ends with the change does not count.
local function is_over(most, room, left)
  if call('HEXISTS', key('rooms'), room) == 1 then
    return false
  end
  local count = call('HLEN', key('rooms'))
  if left and call('HLEN', key('members', left)) == 1 and call('SISMEMBER', key('firsts'), left) == 0 then
    count = count - 1
  end
  return count >= tonumber(most)
end

-- Removes at most `most` members of a server that is gone, and the server with the last of them.
local function remove(gone, most)
  local by_room = {}
  for _, connection in ipairs(call('HRANDFIELD', key('nicks-of', gone), most)) do
    local folded = call('HGET', key('nicks-of', gone), connection)
    local found = owner(folded)
    if found and found.server == gone then
      by_room[found.room] = by_room[found.room] or {}
      table.insert(by_room[found.room], found.nick)
      unseat(folded, gone, found.room, connection)
    else
      call('HDEL', key('nicks-of', gone), connection)
    end
  end
  for room, nicks in pairs(by_room) do
    for first = 1, #nicks, GONE_IN_ENTRY do
      local last = math.min(first + GONE_IN_ENTRY - 1, #nicks)
      append(room, gone, 0, 0, 'gone', '', table.concat(nicks, ' ', first, last))
    end
    sweep(room)
  end
  if call('EXISTS', key('nicks-of', gone)) == 0 then
    call('SREM', key('servers'), gone)
    -- Its refusals expire. It may only have been cut off, and then asks again.
    call('DEL', key('lease', gone), key('wake', gone))
  end
end

local ops = {}

-- MEMBER MAX-ROOMS
function ops.join(member, most)
  if find(member) then
    return 'ok'
  end
  if owner(member.folded) then
    return 'taken'
  end
  if is_over(most, member.room_folded) then
    return 'rooms'
  end
  seat(member)
  append(member.room_folded, server, q, member.connection, 'join', member.nick, '')
  return 'ok'
end

-- MEMBER TO TO-FOLDED MAX-ROOMS
function ops.move(member, to, to_folded, most)
  local refusal = fence(member)
  if refusal or is_over(most, to_folded, member.room_folded) then
    return refusal or 'rooms'
  end
  unseat(member.folded, server, member.room_folded, member.connection)
  append(member.room_folded, server, q, member.connection, 'part', member.nick, to)
  sweep(member.room_folded)
  member.room, member.room_folded = to, to_folded
  seat(member)
  append(to_folded, server, q, member.connection, 'join', member.nick, '')
  return 'ok'
end

-- MEMBER CAUSE. A member that is not there has left already.
function ops.leave(member, cause)
  if find(member) then
    unseat(member.folded, server, member.room_folded, member.connection)
    append(member.room_folded, server, q, member.connection, 'leave', member.nick, cause)
    sweep(member.room_folded)
  end
  return 'ok'
end

-- MEMBER NICK NICK-FOLDED
function ops.rename(member, nick, folded)
  local refusal = fence(member)
  if refusal or folded ~= member.folded and owner(folded) then
    return 'taken'
  end
  local old = member.nick
  unseat(member.folded, server, member.room_folded, member.connection)
  member.nick, member.folded = nick, folded
  seat(member)
  append(member.room_folded, server, q, member.connection, 'rename', old, nick)
  return 'ok'
end

local function talk(kind)
  return function(member, text)
    local refusal = fence(member)
    if not refusal then
      append(member.room_folded, server, q, member.connection, kind, member.nick, text)
    end
    return refusal or 'ok'
  end
end

-- MEMBER TEXT; of a kick, the reason
ops.say, ops.act, ops.kick = talk('say'), talk('act'), talk('kick')

-- FROM TO-FOLDED TEXT. Answers { "ok", nickname as shown }. If its server does not listen, the member is not there.
function ops.tell(from, folded, text)
  local to = owner(folded)
  local message = to and table.concat({ server, q, from, to.connection, to.nick, text }, ' ')
  if not to or call('PUBLISH', key('tell', to.server), message) == 0 then
    return 'unknown'
  end
  return { 'ok', to.nick }
end

-- TEXT
function ops.operator(text)
  for _, room in ipairs(call('HKEYS', key('rooms'))) do
    append(room, server, q, 0, 'operator', '', text)
  end
  return 'ok'
end

-- Changes nothing. Answers { name, members, name, members, ... }.
function ops.rooms()
  local answer = {}
  local rooms = call('HGETALL', key('rooms'))
  for at = 1, #rooms, 2 do
    table.insert(answer, rooms[at + 1])
    table.insert(answer, call('HLEN', key('members', rooms[at])))
  end
  return answer
end

-- ROOM-FOLDED COUNT. Changes nothing. Answers { n, id of the last entry, { SERVER CONNECTION NICK, ... }, { the last
-- COUNT entries, newest first } }.
function ops.open(room, count)
  local last = call('XREVRANGE', key('room', room), '+', '-', 'COUNT', 1)
  local entries = {}
  if tonumber(count) > 0 then
    entries = call('XREVRANGE', key('room', room), '+', '-', 'COUNT', count)
  end
  return { tonumber(call('GET', key('count', room)) or 0), last[1] and last[1][1] or '0-0',
    call('HVALS', key('members', room)), entries }
end

-- ACCEPTED FIRST FIRST-FOLDED ANSWERED. Renews the lease. If enough beats of this server were ACCEPTED in time, it also
-- removes the members of servers without a lease: a broker that was stopped has let all leases expire. A beat that has
-- waited for it removes none: the beat before was carried out long ago. ANSWERED is the Q of the last answer that has
-- arrived. Answers { epoch, 1 if members of this server may be missing }: then it loads its rooms anew.
--
-- If the broker has started with older data, it does not know all that it has answered. Then members may be missing
-- here, and others may have left: all members of this server leave, and enter again when it hears another epoch.
function ops.beat(accepted, first, first_folded, answered)
  local is_steady = call('PTTL', key('lease', server)) >= LEASE_MS / 2
  local was_gone = call('DEL', key('gone', server))
  local known = call('GET', key('seq', server))
  if known and tonumber(known) < tonumber(answered) then
    remove(server, ALL)
    call('DEL', key('epoch'))
  end
  if tonumber(known or 0) < tonumber(answered) then
    call('SET', key('seq', server), answered, 'EX', SEQ_SECONDS)
    was_gone = 1
  else
    call('EXPIRE', key('seq', server), SEQ_SECONDS)
  end
  call('SET', key('lease', server), 1, 'PX', LEASE_MS)
  call('SADD', key('servers'), server)
  if call('SADD', key('firsts'), first_folded) + call('HSETNX', key('rooms'), first_folded, first) > 0 then
    call('PERSIST', key('room', first_folded))
    call('PERSIST', key('count', first_folded))
  end
  for _, refused in ipairs(call('HKEYS', key('refused', server))) do
    if tonumber(refused) <= tonumber(answered) then
      call('HDEL', key('refused', server), refused)
    end
  end
  local time = call('TIME')
  call('SET', key('epoch'), table.concat({ server, time[1], time[2] }, '-'), 'NX')
  if is_steady and tonumber(accepted) >= ACCEPTED_ENOUGH then
    for _, other in ipairs(call('SMEMBERS', key('servers'))) do
      if call('EXISTS', key('lease', other)) == 0 then
        call('SET', key('gone', other), 1, 'EX', GONE_SECONDS)
        remove(other, GONE_IN_BEAT)
      end
    end
  end
  return { call('GET', key('epoch')), was_gone }
end

-- The members of this server leave, because it stops.
function ops.depart()
  remove(server, ALL)
  return 'ok'
end

-- The ops of a member have its five arguments first.
local of_member = { join = true, move = true, leave = true, rename = true, say = true, act = true, kick = true }
local refusals = { taken = true, rooms = true, unknown = true }

-- Carries out an op whose arguments begin at `first`, unless its number was seen.
local function answer_to(name, first)
  if q > 0 and q <= seen then
    return call('HGET', key('refused', server), q) or 'ok'
  end
  local answer
  if of_member[name] then
    local nick, folded, room, room_folded, connection = unpack(ARGV, first, first + 4)
    local member = { nick = nick, folded = folded, room = room, room_folded = room_folded, connection = connection }
    answer = ops[name](member, unpack(ARGV, first + 5, first + 7))
  else
    answer = ops[name](unpack(ARGV, first, first + 3))
  end
  if q > 0 and refusals[answer] then
    call('HSET', key('refused', server), q, answer)
    call('EXPIRE', key('refused', server), SEQ_SECONDS)
  end
  return answer
end

if op == 'lines' then
  local answers = {}
  for done = 1, (at - 4) / 7 do
    answers[done] = 'ok'
  end
  while at <= #ARGV do
    table.insert(answers, answer_to(ARGV[at], at + 1))
    at, q = at + 7, q + 1
  end
  return answers
end
if not ops[op] then
  return redis.error_reply('ERR switchboard: unknown op ' .. op)
end
return answer_to(op, 4)
