"""What two generators that undo each other do with a batch (CycleGAN, Zhu et al. 2017, section 3).

Each is called once for the pictures that it translates and those that it must leave alone, and once
for the way back. Valid for generators whose normalisation looks at one picture at a time.
"""

from kgan import losses, networks


def two_way(g_ab, g_ba, a, b, *, cycle, identity, cycle_a=1.0, cycle_b=1.0):
    """Translates both ways and says what cycle and identity cost.

    Args:
        g_ab, g_ba: generators, [n, h, w, c] -> the same.
        a, b: pictures of both domains, float32 [n, h, w, c] in [-1, 1].
        cycle, identity: weights of the terms; 0 skips the passes of a term.
        cycle_a, cycle_b: weights of the two cycles, from a to b and back (forward) and from b to a
            and back (backward), in multiples of `cycle`; 0 skips the pass of a cycle.

    Returns:
        (fake b, fake a, `{"identity", "cycle"}` without those of weight 0).
    """
    terms = {}
    if identity:
        fake_b, same_b = networks.together(g_ab, a, b)
        fake_a, same_a = networks.together(g_ba, b, a)
        terms["identity"] = identity * (losses.l1(same_a, a) + losses.l1(same_b, b))
    else:
        fake_b, fake_a = g_ab(a), g_ba(b)
    ways = ((cycle_a, g_ba, fake_b, a), (cycle_b, g_ab, fake_a, b))
    back = [share * losses.l1(g(fake), x) for share, g, fake, x in ways if cycle * share]
    if back:
        terms["cycle"] = cycle * sum(back)
    return fake_b, fake_a, terms
