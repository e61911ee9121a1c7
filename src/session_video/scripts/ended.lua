-- The session is over: its job becomes due.
-- KEYS: jobs, job. ARGV: session, writer, number of the message, milliseconds until then.
local jobs, job = KEYS[1], KEYS[2]
local session, writer, message = ARGV[1], 'writer:' .. ARGV[2], tonumber(ARGV[3])
-- A session without frames has no job.
if redis.call('HEXISTS', job, 'frames') == 0 or number(job, writer) >= message then return 0 end
local due = clock() + tonumber(ARGV[4])
redis.call('HSET', job, writer, message, 'due', due)
if redis.call('HGET', job, 'state') == 'waiting' then redis.call('ZADD', jobs, due, session) end
return 1
