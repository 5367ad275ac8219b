/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One slot of the flow table, two CPUs with packets of two flows whose tags are equal, and the sweeper: every
 * interleaving, and every order of loads and stores that a weakly ordered machine may choose. Checked: a hit brings
 * its own flow's decision; the sweeper never ends a flow that a packet took back; a counter is never added to another
 * life of the slot. In: one macro at most, which leaves one rule out (then an assertion must fail). See e2e/tests/flow-model.
 *
 * Successful cmpxchg is a full barrier on every machine (kernel: atomic_t.txt), so what stands between two of them
 * stays there; plain loads and stores in between may change places, which `do` choices stand for.
 */

#define PACKETS 2 /* processes */
#ifndef LOOKUPS
#define LOOKUPS 2 /* of each */
#endif
#ifndef PASSES
#define PASSES 2 /* of the sweeper */
#endif

/* ctl: state 2 | SUSPECT 1 | generation */
#define FREE 0
#define BUSY 1
#define VALID 2
#define DEAD 3
#define SUSPECT 4
#define GENERATION 8
#define STATE(c) ((c) & 3)
#define LIFE(c) ((c) >> 3)

byte ctl = FREE;
byte key = 0; /* 1 or 2: whose slot it is */
byte ev = 0;  /* the decision, named like the key that it belongs to */

/* what the assertions remember */
bool touched;	      /* a hit came after the sweeper's mark */
bool inside[PACKETS]; /* a program is running: what a grace period waits for */
byte runs[PACKETS];

/* Orders that flow_table.h keeps. */
#ifdef CTL_NOT_FIRST /* only a branch stands between ctl and the fields */
#define FIELDS_MAY(c) true
#else
#define FIELDS_MAY(c) (c) /* the fields' address depends on ctl */
#endif
#ifdef RECHECK_BY_EV_ONLY /* the second ctl depends on ev alone, not on the key */
#define RECHECK_MAY(k, e) (e)
#elif defined(RECHECK_UNORDERED)
#define RECHECK_MAY(k, e) true
#else
#define RECHECK_MAY(k, e) ((k) && (e))
#endif

inline compare_and_swap(from, to, done)
{
	d_step {
		if
		:: ctl == (from) -> ctl = (to); done = true
		:: else -> done = false
		fi
	}
}

/* Four loads: ctl, key, ev, ctl again. The two of ctl are of one address and keep their order. */
inline look()
{
	got_c = false; got_k = false; got_e = false; got_again = false;
	do
	:: !got_c -> c = ctl; got_c = true
	:: !got_k && FIELDS_MAY(got_c) -> k = key; got_k = true
	:: !got_e && FIELDS_MAY(got_c) -> e = ev; got_e = true
#ifdef NO_RECHECK
	:: got_c && got_k && got_e -> again = c; break
#else
	:: got_c && !got_again && RECHECK_MAY(got_k, got_e) ->
		d_step { again = ctl; got_again = true;
			 if
			 :: STATE(c) == VALID && (c | SUSPECT) == (again | SUSPECT) && !(again & SUSPECT) -> touched = true
			 :: else
			 fi }
	:: got_c && got_k && got_e && got_again -> break
#endif
	od;
	hit = (STATE(c) == VALID && k == mine && (c | SUSPECT) == (again | SUSPECT))
}

/* Rule 4. */
inline take_back()
{
	if
	:: hit && (again & SUSPECT) ->
#ifdef KEEP_SUSPECT
		touched = true
#else
		d_step {
			if
			:: ctl == again -> ctl = again - SUSPECT; again = again - SUSPECT; touched = true
			:: else -> hit = false
			fi
		}
#endif
	:: else
	fi
}

/* Rule 6. */
inline judge_again()
{
#ifdef PLAIN_STORE
	ev = mine
#else
	compare_and_swap(again, again - VALID + BUSY, done);
	if
	:: done -> ev = mine; compare_and_swap(again - VALID + BUSY, again, done); assert(done)
	:: else
	fi
#endif
}

/* Rule 2: both fields, in any order, between the two cmpxchg. */
inline write_fields()
{
	got_k = false; got_e = false;
	do
	:: !got_k -> key = mine; got_k = true
	:: !got_e -> ev = mine; got_e = true
	:: got_k && got_e -> break
	od
}

inline insert()
{
	c = ctl;
	if
#ifdef NO_EVICTION
	:: STATE(c) == FREE ->
#else
	:: STATE(c) == FREE || STATE(c) == VALID ->
#endif
#ifdef SAME_GENERATION
		fresh = LIFE(c) * GENERATION;
#else
		fresh = (LIFE(c) + 1) * GENERATION;
#endif
#ifdef NAIVE /* in place, ctl last, by plain stores */
		write_fields();
		ctl = fresh + VALID
#elif defined(PLAIN_PUBLISH) /* a plain store may become visible before the fields do */
		compare_and_swap(c, fresh + BUSY, done);
		got_k = !done; got_e = !done; got_again = !done;
		do
		:: !got_k -> key = mine; got_k = true
		:: !got_e -> ev = mine; got_e = true
		:: !got_again -> ctl = fresh + VALID; got_again = true
		:: got_k && got_e && got_again -> break
		od;
		skip
#else
		compare_and_swap(c, fresh + BUSY, done);
		if
		:: done ->
			write_fields();
			compare_and_swap(fresh + BUSY, fresh + VALID, done);
			assert(done)
		:: else
		fi
#endif
	:: else
	fi
}

proctype packets(byte me)
{
	byte c, k, e, again, fresh, mine, n;
	bool got_c, got_k, got_e, got_again, hit, done;

	do
	:: n < LOOKUPS ->
		n++;
		inside[me] = true;
		if
		:: mine = 1
		:: mine = 2
		fi;
		look();
		take_back();
		if
		:: hit ->
			assert(e == mine); /* another flow's decision */
			if
			:: judge_again()
			:: true
			fi;
#ifdef NO_EVICTION
			/* the counter goes to the life that was hit: only then is what the sweeper tells exact */
			assert(STATE(ctl) != FREE && LIFE(ctl) == LIFE(again))
#endif
		:: else -> insert()
		fi;
		d_step { inside[me] = false; runs[me]++ ; c = 0; k = 0; e = 0; again = 0; fresh = 0; mine = 0; hit = false; done = false }
	:: else -> break
	od
}

proctype sweeper()
{
	byte c, n, was[PACKETS];
	bool done, in[PACKETS];

	do
	:: n < PASSES ->
		n++;
		c = ctl;
		if
		:: STATE(c) == VALID && !(c & SUSPECT) ->
			d_step {
				if
				:: ctl == c -> ctl = c + SUSPECT; touched = false; done = true
				:: else -> done = false
				fi
			}
			if
			:: done ->
#ifdef END_WITHOUT_CMPXCHG
				ctl = c - VALID + DEAD; done = true;
#else
				compare_and_swap(c + SUSPECT, c - VALID + DEAD, done);
#endif
				if
				:: done ->
					assert(!touched); /* a packet had taken it back */
#ifndef NO_GRACE
					d_step {
						in[0] = inside[0]; in[1] = inside[1];
						was[0] = runs[0]; was[1] = runs[1]
					}
					(!in[0] || runs[0] != was[0]);
					(!in[1] || runs[1] != was[1]);
#endif
					compare_and_swap(c - VALID + DEAD, c - VALID + FREE, done)
				:: else
				fi
			:: else
			fi
		:: else
		fi;
		d_step { c = 0; done = false }
	:: else -> break
	od
}

init {
	atomic {
		run packets(0);
		run packets(1);
		run sweeper()
	}
}
