"""scikit-learn's side of bench/classic.ts: task, folder, training rows, test rows, columns; figures as JSON."""

import json
import resource
import sys
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC


def read(folder, name, rows, columns):
    x = np.fromfile(f"{folder}/{name}.f32", dtype=np.float32).reshape(rows, columns)
    return x, np.fromfile(f"{folder}/{name}.u8", dtype=np.uint8)


def timed(work):
    user, start = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
    value = work()
    return value, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_utime - user


def dual_objective(model):
    """Sum over pairs of classes of 1/2 a'Qa - sum a, from the coefficients (y a) that libsvm keeps."""
    ends = np.concatenate([[0], np.cumsum(model.n_support_)])
    part = [slice(ends[c], ends[c + 1]) for c in range(len(ends) - 1)]
    total = 0.0
    for i in range(len(part)):
        for j in range(i + 1, len(part)):
            coef = np.concatenate([model.dual_coef_[j - 1, part[i]], model.dual_coef_[i, part[j]]])
            x = np.concatenate([model.support_vectors_[part[i]], model.support_vectors_[part[j]]])
            used = coef != 0
            kernel = rbf_kernel(x[used].astype(np.float64), gamma=model._gamma)
            total += 0.5 * coef[used] @ kernel @ coef[used] - np.abs(coef).sum()
    return total


def main():
    task, folder, rows, test_rows, columns = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    x, y = read(folder, "train", rows, columns)
    x_test, y_test = read(folder, "test", test_rows, columns)
    is_svc = task.startswith("svc")
    if is_svc:
        model = SVC(C=10, kernel="rbf", gamma="scale", cache_size=4096)
    else:
        model = RandomForestClassifier(n_estimators=100, n_jobs=2, random_state=0)
    _, fit, fit_user = timed(lambda: model.fit(x, y))
    accuracy, predict, predict_user = timed(lambda: model.score(x_test, y_test))
    figures = {
        "fit": fit,
        "fitUser": fit_user,
        "predict": predict,
        "predictUser": predict_user,
        "accuracy": accuracy,
        "peakMB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if is_svc:
        figures |= {"support": int(len(model.support_)), "objective": float(dual_objective(model))}
    print(json.dumps(figures))


main()
