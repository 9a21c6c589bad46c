class Ops(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def gelu_tanh(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.gelu(x, approximate="tanh")
  def quick_gelu(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.mul(x, torch.sigmoid(torch.mul(x, 1.702)))
  def silu(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.silu(x)
  def softmax(self: __torch__.Ops, x: Tensor, dim: int) -> Tensor:
    return torch._safe_softmax(x, dim)
  def layer_norm(self: __torch__.Ops, x: Tensor, eps: float) -> Tensor:
    return torch.layer_norm(x, [torch.size(x, -1)], None, None, eps)
  def inverse_rms(self: __torch__.Ops, x: Tensor, eps: float) -> Tensor:
    length = torch.linalg_vector_norm(x, 2, [-1], True)
    mean_square = torch.div(torch.mul(length, length), torch.size(x, -1))
    return torch.rsqrt(torch.add(mean_square, eps))
  def rms_norm(self: __torch__.Ops, x: Tensor, eps: float) -> Tensor:
    return torch.mul(x, (self).inverse_rms(x, eps, ))
  def rms_norm_weighted(self: __torch__.Ops, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return torch.mul(torch.mul(x, (self).inverse_rms(x, eps, )), weight)
  def rotate(self: __torch__.Ops, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    c = torch.unsqueeze(cos, 2)
    s = torch.unsqueeze(sin, 2)
    half = torch.size(cos, 2)
    width = torch.size(x, 3)
    first = torch.slice(x, 3, 0, half)
    second = torch.slice(x, 3, half, torch.mul(half, 2))
    turned_first = torch.sub(torch.mul(first, c), torch.mul(second, s))
    turned_second = torch.add(torch.mul(second, c), torch.mul(first, s))
    rest = torch.slice(x, 3, torch.mul(half, 2), width)
    return torch.cat([turned_first, turned_second, rest], 3)
  def attention(self: __torch__.Ops, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float, fused: bool, wide: bool) -> Tensor:
    if wide:
      queries = torch.transpose(torch.to(q, 6), 1, 2)
      keys = torch.transpose(torch.to(k, 6), 1, 2)
      values = torch.transpose(torch.to(v, 6), 1, 2)
    else:
      queries = torch.transpose(q, 1, 2)
      keys = torch.transpose(k, 1, 2)
      values = torch.transpose(v, 1, 2)
    kv = torch.size(k, 2)
    group = torch.floordiv(torch.size(q, 2), kv)
    if fused:
      grouped = torch.ne(group, 1)
      z = torch.scaled_dot_product_attention(queries, keys, values, mask, 0., False, scale=scale, enable_gqa=grouped)
    else:
      if torch.eq(group, 1):
        scores = torch.mul_(torch.matmul(queries, torch.transpose(keys, 2, 3)), scale)
        pattern = torch.softmax(torch.where(mask, scores, -inf), 3)
        z = torch.matmul(pattern, values)
      else:
        count = torch.size(q, 1)
        rows = torch.reshape(queries, [torch.size(q, 0), kv, torch.mul(group, count), torch.size(q, 3)])
        scores = torch.mul_(torch.matmul(rows, torch.transpose(keys, 2, 3)), scale)
        groups = torch.unflatten(scores, 2, [group, count])
        pattern = torch.softmax(torch.where(torch.unsqueeze(mask, 1), groups, -inf), 4)
        sums = torch.matmul(torch.flatten(pattern, 2, 3), values)
        z = torch.flatten(torch.unflatten(sums, 2, [group, count]), 1, 2)
    sees_something = torch.any(mask, 3, True)
    if bool(torch.all(sees_something)):
      y = z
    else:
      y = torch.where(sees_something, z, 0.)
    if wide:
      narrow = torch.to(y, ops.prim.dtype(q))
    else:
      narrow = y
    return torch.transpose(narrow, 1, 2)
  def attention_unasked(self: __torch__.Ops, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float, zero: Tensor) -> Tensor:
    queries = torch.transpose(q, 1, 2)
    keys = torch.transpose(k, 1, 2)
    values = torch.transpose(v, 1, 2)
    kv = torch.size(k, 2)
    group = torch.floordiv(torch.size(q, 2), kv)
    bias = torch.to(torch.log(mask), ops.prim.dtype(q))
    if torch.eq(group, 1):
      z = torch.scaled_dot_product_attention(queries, keys, values, bias, 0., False, scale=scale)
    else:
      count = torch.size(q, 1)
      rows = torch.reshape(queries, [torch.size(q, 0), kv, torch.mul(group, count), torch.size(q, 3)])
      biases = torch.repeat(bias, [1, 1, group, 1])
      sums = torch.scaled_dot_product_attention(rows, keys, values, biases, 0., False, scale=scale)
      z = torch.flatten(torch.unflatten(sums, 2, [group, count]), 1, 2)
    y = torch.where(torch.any(mask, 3, True), z, zero)
    return torch.transpose(y, 1, 2)
  def order(self: __torch__.Ops, x: Tensor, dim: int, largest: bool) -> Tensor:
    by_size = torch.argsort(x, stable=True, dim=dim, descending=largest)
    nan = torch.to(torch.gather(torch.ne(x, x), dim, by_size), 1)
    nan_first = torch.argsort(nan, stable=True, dim=dim, descending=True)
    return torch.gather(by_size, dim, nan_first)
  def attention_pattern(self: __torch__.Ops, q: Tensor, k: Tensor, mask: Tensor, scale: float, unseen: Tensor, zero: Tensor) -> Tuple[Tensor, Tensor]:
    queries = torch.transpose(q, 1, 2)
    keys = torch.permute(k, [0, 2, 3, 1])
    kv = torch.size(k, 2)
    group = torch.floordiv(torch.size(q, 2), kv)
    if torch.eq(group, 1):
      raw = torch.matmul(queries, keys)
    else:
      count = torch.size(q, 1)
      rows = torch.reshape(queries, [torch.size(q, 0), kv, torch.mul(group, count), torch.size(q, 3)])
      raw = torch.flatten(torch.unflatten(torch.matmul(rows, keys), 2, [group, count]), 1, 2)
    scores = torch.where(mask, torch.mul(raw, scale), unseen)
    sees_something = torch.ne(torch.amax(scores, [3], True), -inf)
    return (scores, torch.where(sees_something, torch.softmax(scores, 3), zero))
  def norm_parts(self: __torch__.Ops, x: Tensor, eps: float, centres: bool, type: int) -> Tuple[Tensor, Tensor]:
    if centres:
      y, mean, inverse = torch.native_layer_norm(x, [torch.size(x, -1)], None, None, eps)
      root = torch.reciprocal(inverse)
      if torch.lt(type, 0):
        parts = (root, y)
      else:
        rounded = torch.to(root, type)
        parts = (rounded, torch.div(torch.sub(x, mean), rounded))
    else:
      exact = torch.sqrt(torch.add(torch.mean(torch.mul(x, x), [-1], True), eps))
      if torch.lt(type, 0):
        parts = (exact, torch.div(x, exact))
      else:
        narrow = torch.to(exact, type)
        parts = (narrow, torch.div(x, narrow))
    return parts
  def top_k_unasked(self: __torch__.Ops, x: Tensor, k: int, dim: int, largest: bool) -> Tuple[Tensor, Tensor]:
    first = torch.slice((self).order(x, dim, largest, ), dim, 0, k)
    return (torch.gather(x, dim, first), first)
  def top_k(self: __torch__.Ops, x: Tensor, k: int, dim: int, largest: bool) -> Tuple[Tensor, Tensor]:
    values, indices = torch.topk(x, k, dim, largest, True)
    if torch.eq(k, 0):
      settled = True
    else:
      last = torch.slice(values, dim, torch.sub(k, 1), k)
      tie_inside = torch.any(torch.eq(torch.slice(values, dim, 1, k), torch.slice(values, dim, 0, torch.sub(k, 1))))
      tie_at_edge = torch.any(torch.gt(torch.sum(torch.eq(x, last), [dim]), 1))
      nan = torch.any(torch.ne(x, x))
      settled = bool(torch.logical_not(torch.logical_or(torch.logical_or(tie_inside, tie_at_edge), nan)))
    if settled:
      best = (values, indices)
    else:
      best = (self).top_k_unasked(x, k, dim, largest, )
    return best
  def index_select(self: __torch__.Ops, x: Tensor, dim: int, indices: Tensor) -> Tensor:
    return torch.index_select(x, dim, torch.reshape(indices, [-1]))
  def slice_scatter(self: __torch__.Ops, x: Tensor, update: Tensor, dim: int, start: int) -> Tensor:
    end = torch.add(start, torch.size(update, dim))
    return torch.slice_scatter(x, update, dim, start, end)
  def scatter_add(self: __torch__.Ops, x: Tensor, dim: int, indices: Tensor, updates: Tensor) -> Tensor:
    return torch.scatter_add(x, dim, indices, updates)
  def cumsum_in_reverse(self: __torch__.Ops, x: Tensor, dim: int) -> Tensor:
    return torch.flip(torch.cumsum(torch.flip(x, [dim]), dim), [dim])
  def unslice(self: __torch__.Ops, update: Tensor, like: Tensor, dim: int, start: int, end: int, step: int) -> Tensor:
    zeros = torch.new_zeros(update, torch.size(like))
    return torch.slice_scatter(zeros, update, dim, start, end, step)
  def gelu_gradient(self: __torch__.Ops, g: Tensor, x: Tensor, tanh: bool) -> Tensor:
    if tanh:
      y = torch.gelu_backward(g, x, approximate="tanh")
    else:
      y = torch.gelu_backward(g, x)
    return y
  def quick_gelu_gradient(self: __torch__.Ops, g: Tensor, x: Tensor) -> Tensor:
    scaled = torch.mul(x, 1.702)
    s = torch.sigmoid(scaled)
    bend = torch.mul(torch.mul(scaled, s), torch.rsub(s, 1))
    return torch.mul(g, torch.add(s, bend))
  def silu_gradient(self: __torch__.Ops, g: Tensor, x: Tensor) -> Tensor:
    return torch.silu_backward(g, x)
  def softmax_gradient(self: __torch__.Ops, g: Tensor, y: Tensor, dim: int) -> Tensor:
    return torch._softmax_backward_data(g, y, dim, ops.prim.dtype(y))
  def log_softmax_gradient(self: __torch__.Ops, g: Tensor, y: Tensor, dim: int) -> Tensor:
    return torch._log_softmax_backward_data(g, y, dim, ops.prim.dtype(y))
  def layer_norm_gradient(self: __torch__.Ops, g: Tensor, x: Tensor, eps: float) -> Tensor:
    shape = [torch.size(x, -1)]
    y, mean, rstd = torch.native_layer_norm(x, shape, None, None, eps)
    gx, gw, gb = torch.native_layer_norm_backward(g, x, shape, mean, rstd, None, None, [True, False, False])
    return gx
  def rms_norm_gradient(self: __torch__.Ops, g: Tensor, x: Tensor, eps: float) -> Tensor:
    inverse = torch.rsqrt(torch.add(torch.mean(torch.mul(x, x), [-1], True), eps))
    normal = torch.mul(x, inverse)
    along = torch.mul(normal, torch.mean(torch.mul(g, normal), [-1], True))
    return torch.mul(torch.sub(g, along), inverse)
  def svd(self: __torch__.Ops, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    u, s, vh = torch.linalg_svd(x, False)
    return (u, s, vh)
  def to_int64(self: __torch__.Ops, x: Tensor) -> Tensor:
    smallest = torch.sub(-9223372036854775807, 1)
    low = torch.masked_fill(torch.to(x, 4), torch.lt(x, -9223372036854775808.), smallest)
    high = torch.masked_fill(low, torch.ge(x, 9223372036854775808.), 9223372036854775807)
    return torch.masked_fill(high, torch.ne(x, x), 0)
  def to_int32(self: __torch__.Ops, x: Tensor) -> Tensor:
    whole = (self).to_int64(x, )
    return torch.to(torch.clamp(whole, -2147483648, 2147483647), 3)
  def to_bfloat16(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.to(x, 15)
  def empty_bfloat16(self: __torch__.Ops, any: Tensor, sizes: List[int]) -> Tensor:
    return torch.empty(sizes, dtype=15)
  def bits_as_bfloat16(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.view_copy(x, 15)
  def bits_as_float16(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.view_copy(x, 5)
  def is_bfloat16(self: __torch__.Ops, x: Tensor) -> bool:
    return torch.eq(ops.prim.dtype(x), 15)
  def cast(self: __torch__.Ops, x: Tensor, type: int) -> Tensor:
    return torch.to(x, type)
  def nowhere(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.empty_like(x, device=torch.device("meta"))
  def sent(self: __torch__.Ops, there: Tensor, x: Tensor) -> Tensor:
    return torch.to(x, there, True, True)
  def columns_in_a_row(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.t(torch.clone(torch.t(x), memory_format=0))
  def linear(self: __torch__.Ops, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.linear(x, torch.t(weight), bias)
  def log_softmax(self: __torch__.Ops, x: Tensor, dim: int) -> Tensor:
    return torch.log_softmax(x, dim)
  def has_bfloat16_products(self: __torch__.Ops, x: Tensor) -> bool:
    return ops.mkldnn._is_mkldnn_bf16_supported()
  def has_float16_products(self: __torch__.Ops, x: Tensor) -> bool:
    return ops.mkldnn._is_mkldnn_fp16_supported()
  def scatter_last(self: __torch__.Ops, x: Tensor, indices: Tensor, updates: Tensor, dim: int) -> Tensor:
    place = torch.sub(torch.cumsum(torch.ones_like(indices), dim), 1)
    first = torch.zeros_like(x, dtype=4)
    last = torch.scatter_reduce(first, dim, indices, place, "amax", include_self=True)
    of_last = torch.gather(last, dim, indices)
    return torch.scatter(x, dim, indices, torch.gather(updates, dim, of_last))
