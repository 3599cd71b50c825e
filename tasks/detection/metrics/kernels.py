"""Compiled scoring kernels: COCO's and VOC's matching, COCO's curves, and average precision of resampled images.

Sums and quotients follow the order of pycocotools and NumPy, so results are equal bit for bit.
"""

from __future__ import annotations

import numpy as np

from sgz_bench.core.compiled import compiled

WRONG, RIGHT, IGNORED, LEFT_OUT = 0, 1, 2, 3  # verdicts on a detection
_EPS = np.spacing(1)  # pycocotools' guard of precision against 0 / 0


@compiled()
def overlaps(boxes, truth, crowd, iou):  # type: ignore[no-untyped-def]
    """Write the IoU of ``(n, 4)`` and ``(m, 4)`` xywh boxes to ``(n, m)``; for a crowd, the share of a box inside it.

    Source: ``bbIou`` of pycocotools' ``maskApi.c``.
    """
    for d in range(len(boxes)):
        for g in range(len(truth)):
            iou[d, g] = 0.0
            width = min(boxes[d, 2] + boxes[d, 0], truth[g, 2] + truth[g, 0]) - max(boxes[d, 0], truth[g, 0])
            if width <= 0:
                continue
            height = min(boxes[d, 3] + boxes[d, 1], truth[g, 3] + truth[g, 1]) - max(boxes[d, 1], truth[g, 1])
            if height <= 0:
                continue
            both = width * height
            own = boxes[d, 2] * boxes[d, 3]
            iou[d, g] = both / (own if crowd[g] else own + truth[g, 2] * truth[g, 3] - both)


@compiled()
def match_coco(d_start, g_start, box, truth, area, crowd, lows, highs, thresholds, limit, verdict, counted):  # type: ignore[no-untyped-def]
    """Match as ``COCOeval.evaluateImg``, per image and class, for A area ranges and T thresholds.

    Args:
        d_start, g_start: ``(P + 1,)`` index of the first detection and labelled box of each (class, image) pair.
        box: ``(D, 4)`` float64 xywh, best first within a pair.
        truth, area, crowd: ``(G, 4)``, ``(G,)`` float64, ``(G,)`` bool, in the order of the annotations.
        lows, highs: ``(A,)`` float64; boxes with areas outside are ignored.
        thresholds: ``(T,)`` float64 IoU.
        limit: detections that count per pair.
        verdict: ``(A, T, D)`` uint8, output.
        counted: ``(A, P)`` int32, output: labelled boxes of each pair that count.
    """
    for pair in range(len(d_start) - 1):
        first, low = d_start[pair], g_start[pair]
        n, m = min(d_start[pair + 1] - first, limit), g_start[pair + 1] - low
        verdict[:, :, first + n : d_start[pair + 1]] = LEFT_OUT
        labelled, labelled_area, labelled_crowd = truth[low : low + m], area[low : low + m], crowd[low : low + m]
        iou = np.empty((n, m))
        overlaps(box[first : first + n], labelled, labelled_crowd, iou)
        order, ignore, taken = np.empty(m, np.int64), np.empty(m, np.bool_), np.empty(m, np.bool_)
        for a in range(len(lows)):
            n_counted = 0
            for g in range(m):  # boxes that count come first
                if not (labelled_crowd[g] or labelled_area[g] < lows[a] or labelled_area[g] > highs[a]):
                    order[n_counted] = g
                    n_counted += 1
            counted[a, pair] = n_counted
            index = n_counted
            for g in range(m):
                if labelled_crowd[g] or labelled_area[g] < lows[a] or labelled_area[g] > highs[a]:
                    order[index] = g
                    index += 1
            for g in range(m):
                ignore[g] = g >= n_counted
            for t in range(len(thresholds)):
                taken[:] = False
                for d in range(n):
                    best, chosen = min(thresholds[t], 1 - 1e-10), -1
                    for g in range(m):
                        if taken[g] and not labelled_crowd[order[g]]:
                            continue
                        if chosen > -1 and not ignore[chosen] and ignore[g]:
                            break  # never trade a box that counts for an ignored one
                        if iou[d, order[g]] < best:
                            continue
                        best, chosen = iou[d, order[g]], g
                    if chosen > -1:
                        taken[chosen] = True
                        verdict[a, t, first + d] = IGNORED if ignore[chosen] else RIGHT
                    else:
                        own = box[first + d, 2] * box[first + d, 3]
                        verdict[a, t, first + d] = IGNORED if own < lows[a] or own > highs[a] else WRONG


@compiled()
def match_voc(d_start, g_start, box, truth, crowd, threshold, verdict):  # type: ignore[no-untyped-def]
    """Match as ``VOCevaldet``: each detection is compared only with the box of its class that it overlaps most.

    Args:
        d_start, g_start, box, truth, crowd: as in :func:`match_coco`; a crowd is VOC's "difficult".
        threshold: IoU.
        verdict: ``(D,)`` uint8, output.
    """
    for pair in range(len(d_start) - 1):
        first, low = d_start[pair], g_start[pair]
        n, m = d_start[pair + 1] - first, g_start[pair + 1] - low
        labelled = truth[low : low + m]
        iou = np.empty((n, m))
        overlaps(box[first : first + n], labelled, np.zeros(m, np.bool_), iou)
        taken = np.zeros(m, np.bool_)
        for d in range(n):
            best = 0
            for g in range(1, m):
                if iou[d, g] > iou[d, best]:
                    best = g
            if m == 0 or iou[d, best] < threshold:
                verdict[first + d] = WRONG
            elif crowd[low + best]:
                verdict[first + d] = IGNORED
            else:
                verdict[first + d] = WRONG if taken[best] else RIGHT
                taken[best] = True


@compiled()
def curves(start, verdict, rank, limit, n_truth, recalls, precision, recall):  # type: ignore[no-untyped-def]
    """Compute precision at recalls and greatest recall as ``COCOeval.accumulate``, for one area range and limit.

    Args:
        start: ``(K + 1,)`` index of each class's first detection.
        verdict: ``(T, D)`` uint8, best first within a class.
        rank: ``(D,)`` index of each detection among those of its class and image.
        limit: detections that count per class and image.
        n_truth: ``(K,)`` labelled boxes that count.
        recalls: ``(R,)`` float64, ascending.
        precision: ``(T, R, K)`` float64, output; −1 for a class without labelled boxes.
        recall: ``(T, K)`` float64, output, likewise.
    """
    for k in range(len(start) - 1):
        if n_truth[k] == 0:
            precision[:, :, k] = -1
            recall[:, k] = -1
            continue
        reached, envelope = np.empty(start[k + 1] - start[k]), np.empty(start[k + 1] - start[k])
        for t in range(len(verdict)):
            right, wrong = 0, 0
            for d in range(start[k], start[k + 1]):
                if rank[d] >= limit:
                    continue
                if verdict[t, d] == RIGHT:
                    right += 1
                    reached[right - 1] = right / n_truth[k]
                    envelope[right - 1] = right / (np.float64(wrong + right) + _EPS)
                elif verdict[t, d] == WRONG:
                    wrong += 1
            for index in range(right - 1, 0, -1):
                if envelope[index] > envelope[index - 1]:
                    envelope[index - 1] = envelope[index]
            recall[t, k] = reached[right - 1] if right else 0.0
            index = 0
            for r in range(len(recalls)):
                while index < right and reached[index] < recalls[r]:
                    index += 1
                precision[t, r, k] = envelope[index] if index < right else 0.0


@compiled()
def average_precisions(weights, n_truth, image, start, tp, ignored, recalls, every_point, result):  # type: ignore[no-untyped-def]
    """Compute AP of B weightings of the images, for every class and IoU threshold.

    Only true positives matter. Interpolated precision is the maximum of precision at this or any greater recall, and
    precision rises only at a true positive. So no false positive and no ignored detection attains the maximum first. Of
    the w adjacent copies of a true positive the last has the highest precision, (h+w)/(n+w) ≥ (h+i)/(n+i) for i ≤ w,
    h ≤ n, so all w copies get the interpolated precision of the last. A true positive of weight 0 adds no recall, and
    its precision does not exceed that of the one before it. Areas are summed from the greatest recall down.

    Args:
        weights: ``(B, N)`` int32, number of times that each image occurs.
        n_truth: ``(B, K)`` float64, labelled boxes under each weighting.
        image: ``(D,)`` image index of each detection, best first within a class.
        start: ``(K + 1,)`` index of each class's first detection.
        tp, ignored: ``(T, D)`` bool.
        recalls: ``(R,)`` float64 recalls of COCO's precision, ascending from 0.
        every_point: True computes VOC's area under the whole curve instead of the mean at the recalls.
        result: ``(B, K, T)`` float64, output; NaN for a class without labelled boxes.
    """
    n_thresholds = len(tp)
    for k in range(len(start) - 1):
        # Indices of true positives and of ignored detections per threshold, shared by all weightings.
        size = start[k + 1] - start[k]
        matched_at_all = np.zeros(size, np.bool_)
        hit_start, skip_start = np.zeros(n_thresholds + 1, np.int64), np.zeros(n_thresholds + 1, np.int64)
        for t in range(n_thresholds):
            hits, skips = 0, 0
            for d in range(size):
                if tp[t, start[k] + d]:
                    hits += 1
                    matched_at_all[d] = True
                elif ignored[t, start[k] + d]:
                    skips += 1
            hit_start[t + 1], skip_start[t + 1] = hit_start[t] + hits, skip_start[t] + skips
        last = size
        while last > 0 and not matched_at_all[last - 1]:
            last -= 1
        hit, skip = np.empty(hit_start[-1], np.int32), np.empty(skip_start[-1], np.int32)
        for t in range(n_thresholds):
            hits, skips = hit_start[t], skip_start[t]
            for d in range(size):
                if tp[t, start[k] + d]:
                    hit[hits] = d
                    hits += 1
                elif ignored[t, start[k] + d]:
                    skip[skips] = d
                    skips += 1
        images = image[start[k] : start[k] + last]
        copies, seen = np.empty(last, np.int32), np.empty(last, np.int32)
        precision, reached = np.empty(size), np.empty(size, np.int32)
        needed = np.empty(len(recalls), np.int32)  # least true positives that reach each recall
        for b in range(len(weights)):
            possible = n_truth[b, k]
            if not possible > 0:
                result[b, k, :] = np.nan
                continue
            total = np.int32(0)
            for d in range(last):
                copies[d] = weights[b, images[d]]
                total += copies[d]
                seen[d] = total
            for r in range(len(recalls)):
                least = np.int32(recalls[r] * possible)  # may differ from the quotient that decides
                while least > 0 and (least - 1) / possible >= recalls[r]:
                    least -= 1
                while least / possible < recalls[r]:
                    least += 1
                needed[r] = least
            for t in range(n_thresholds):
                n, matched, skipped, index = 0, np.int32(0), np.int32(0), skip_start[t]
                for d in hit[hit_start[t] : hit_start[t + 1]]:
                    if copies[d] == 0:
                        continue
                    while index < skip_start[t + 1] and skip[index] < d:
                        skipped += copies[skip[index]]
                        index += 1
                    matched += copies[d]
                    precision[n] = matched / (np.float64(seen[d] - skipped) + _EPS)
                    reached[n] = matched
                    n += 1
                area, highest, r = 0.0, 0.0, len(recalls) - 1
                while r >= 0 and (n == 0 or needed[r] > reached[n - 1]):
                    r -= 1
                for i in range(n - 1, -1, -1):
                    highest = max(highest, precision[i])
                    before = reached[i - 1] if i else np.int32(-1)
                    if every_point:
                        area += highest * (reached[i] / possible - max(before, 0) / possible)
                        continue
                    while r >= 0 and needed[r] > before:
                        area += highest
                        r -= 1
                result[b, k, t] = area if every_point else area / len(recalls)


@compiled()
def weighted_sums(weights, image, right, kept, found, boxes):  # type: ignore[no-untyped-def]
    """Sum the first boxes of a ranking, for B weightings of the images and U lengths.

    Args:
        weights: ``(B, N)`` float64.
        image, right: ``(M,)`` image of each box, and True for a true positive.
        kept: ``(B, U)`` number of boxes, ascending within a row.
        found, boxes: ``(B, U)`` float64, output: weighted true positives, and weighted boxes.
    """
    for b in range(len(weights)):
        sum_found, sum_boxes, m = 0.0, 0.0, 0
        for u in range(kept.shape[1]):
            while m < kept[b, u]:
                weight = weights[b, image[m]]
                sum_boxes += weight
                if right[m]:
                    sum_found += weight
                m += 1
            found[b, u] = sum_found
            boxes[b, u] = sum_boxes
